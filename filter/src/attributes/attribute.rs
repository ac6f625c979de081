//! Envoy's attributes by name.

/// One attribute of Envoy, with the name under which a Wasm filter reads it.
///
/// Sources: the page "Attributes" of Envoy's documentation; istiod for the `istio` metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// `request.time`: start, nanoseconds since the Unix epoch.
    RequestTime,
    /// `request.duration`: nanoseconds, monotonic.
    RequestDuration,
    /// `request.total_size`: headers and body, bytes.
    RequestTotalSize,
    /// `response.total_size`: headers, body and trailers, bytes.
    ResponseTotalSize,
    /// `request.size`: bytes from the client on a connection; bytes of the body so far on an
    /// in-flight request.
    RequestSize,
    /// `response.size`: bytes to the client, counted as for `request.size`.
    ResponseSize,
    /// `request.id`: the `x-request-id` header.
    RequestId,
    /// `request.host`: the requested authority.
    RequestHost,
    /// Request header `content-type`.
    ContentType,
    /// Request header `x-envoy-attempt-count`: the caller's attempt number.
    CallerAttempt,
    /// `response.code`: absent when no response headers were sent.
    ResponseCode,
    /// `response.flags`: the bitmap of response flags.
    ResponseFlags,
    /// `response.code_details`.
    ResponseCodeDetails,
    /// Response header `grpc-status`. Envoy's `response.grpc_status` is no evidence that a status
    /// was sent: without one, Envoy derives it from the HTTP status.
    GrpcStatusHeader,
    /// Response trailer `grpc-status`.
    GrpcStatusTrailer,
    /// `filter_state` of Envoy's filter `grpc_stats`: message counts of request and response,
    /// `3,5`.
    GrpcMessages,
    /// `upstream.address`: address and port.
    UpstreamAddress,
    /// `upstream.request_attempt_count`.
    UpstreamAttempts,
    /// `upstream.transport_failure_reason`.
    UpstreamFailureReason,
    /// `upstream.uri_san_peer_certificate`: the first URI SAN of the upstream's certificate.
    UpstreamPeerPrincipal,
    /// `upstream.uri_san_local_certificate`.
    UpstreamLocalPrincipal,
    /// `source.address`: address and port; port 0 where it comes from x-forwarded-for.
    SourceAddress,
    /// `connection.id`: Envoy's id of the downstream connection.
    ConnectionId,
    /// `connection.requested_server_name`: SNI.
    RequestedServerName,
    /// `connection.uri_san_peer_certificate`: the first URI SAN of the downstream's certificate.
    ConnectionPeerPrincipal,
    /// `connection.uri_san_local_certificate`.
    ConnectionLocalPrincipal,
    /// `xds.listener_direction`: 1 inbound, 2 outbound.
    ListenerDirection,
    /// `xds.cluster_name`.
    ClusterName,
    /// `xds.route_name`.
    RouteName,
    /// Cluster metadata `istio.services[0].host`.
    ServiceHost,
    /// Cluster metadata `istio.services[0].name`.
    ServiceName,
    /// Cluster metadata `istio.services[0].namespace`.
    ServiceNamespace,
    /// Endpoint metadata `istio.workload`: `workload;namespace;canonical service;canonical
    /// revision;cluster`.
    EndpointWorkload,
    /// `xds.node.id`.
    NodeId,
    /// `xds.node.locality.region`.
    NodeRegion,
    /// `xds.node.locality.zone`.
    NodeZone,
    /// `filter_state.<object>.<field>`: the peer's metadata from Istio's metadata exchange.
    Peer(PeerObject, &'static str),
    /// `xds.node.metadata.<key>`.
    NodeMetadata(&'static str),
    /// `xds.node.metadata.LABELS.<label>`.
    NodeLabel(&'static str),
}

/// The filter state object in which Istio's metadata exchange stores a peer: `*_peer_obj` from 1.29
/// on, with fields that are cheap to read; `*_peer` from 1.24 on, at first an object with fields,
/// later a Struct, which Envoy parses again for each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerObject {
    /// The upstream of a request.
    Upstream,
    /// The upstream of a request before 1.29.
    UpstreamOld,
    /// The upstream of a TCP connection: the exchange is between the connections of the two
    /// proxies.
    UpstreamOfConnection,
    /// The upstream of a TCP connection before 1.29.
    UpstreamOfConnectionOld,
    /// The downstream.
    Downstream,
    /// The downstream before 1.29.
    DownstreamOld,
}

impl Attribute {
    /// Returns the path for `get_property`: its segments, separated by NUL.
    #[must_use]
    pub fn path(self) -> Vec<u8> {
        // A label may contain dots, so it is not part of the dotted path.
        let key = match self {
            Self::NodeMetadata(key) | Self::NodeLabel(key) | Self::Peer(_, key) => key,
            Self::GrpcMessages => "envoy.filters.http.grpc_stats",
            _ => "",
        };
        let mut path = self.dotted().as_bytes().to_vec();
        path.iter_mut().filter(|byte| **byte == b'.').for_each(|byte| *byte = 0);
        if !key.is_empty() {
            path.push(0);
            path.extend_from_slice(key.as_bytes());
        }
        path
    }

    fn dotted(self) -> &'static str {
        match self {
            Self::RequestTime => "request.time",
            Self::RequestDuration => "request.duration",
            Self::RequestTotalSize => "request.total_size",
            Self::ResponseTotalSize => "response.total_size",
            Self::RequestSize => "request.size",
            Self::ResponseSize => "response.size",
            Self::RequestId => "request.id",
            Self::RequestHost => "request.host",
            Self::ContentType => "request.headers.content-type",
            Self::CallerAttempt => "request.headers.x-envoy-attempt-count",
            Self::ResponseCode => "response.code",
            Self::ResponseFlags => "response.flags",
            Self::ResponseCodeDetails => "response.code_details",
            Self::GrpcStatusHeader => "response.headers.grpc-status",
            Self::GrpcStatusTrailer => "response.trailers.grpc-status",
            // The name of the object contains dots.
            Self::GrpcMessages => "filter_state",
            Self::UpstreamAddress => "upstream.address",
            Self::UpstreamAttempts => "upstream.request_attempt_count",
            Self::UpstreamFailureReason => "upstream.transport_failure_reason",
            Self::UpstreamPeerPrincipal => "upstream.uri_san_peer_certificate",
            Self::UpstreamLocalPrincipal => "upstream.uri_san_local_certificate",
            Self::SourceAddress => "source.address",
            Self::ConnectionId => "connection.id",
            Self::RequestedServerName => "connection.requested_server_name",
            Self::ConnectionPeerPrincipal => "connection.uri_san_peer_certificate",
            Self::ConnectionLocalPrincipal => "connection.uri_san_local_certificate",
            Self::ListenerDirection => "xds.listener_direction",
            Self::ClusterName => "xds.cluster_name",
            Self::RouteName => "xds.route_name",
            Self::ServiceHost => "xds.cluster_metadata.filter_metadata.istio.services.0.host",
            Self::ServiceName => "xds.cluster_metadata.filter_metadata.istio.services.0.name",
            Self::ServiceNamespace => "xds.cluster_metadata.filter_metadata.istio.services.0.namespace",
            Self::EndpointWorkload => "xds.upstream_host_metadata.filter_metadata.istio.workload",
            Self::NodeId => "xds.node.id",
            Self::NodeRegion => "xds.node.locality.region",
            Self::NodeZone => "xds.node.locality.zone",
            Self::Peer(PeerObject::Upstream, _) => "filter_state.upstream_peer_obj",
            Self::Peer(PeerObject::UpstreamOld, _) => "filter_state.upstream_peer",
            Self::Peer(PeerObject::UpstreamOfConnection, _) => "upstream_filter_state.upstream_peer_obj",
            Self::Peer(PeerObject::UpstreamOfConnectionOld, _) => "upstream_filter_state.upstream_peer",
            Self::Peer(PeerObject::Downstream, _) => "filter_state.downstream_peer_obj",
            Self::Peer(PeerObject::DownstreamOld, _) => "filter_state.downstream_peer",
            Self::NodeMetadata(_) => "xds.node.metadata",
            Self::NodeLabel(_) => "xds.node.metadata.LABELS",
        }
    }
}
