//! What can be asked about a request, and about the proxy itself.
//!
//! In: an [`Attribute`]. Out: its value, when Envoy has one in this phase. Always holds: a missing attribute is `None`,
//! never an error, and so is an empty text (Envoy's host call cannot tell the two apart).

use crate::attributes::expression::Expression;

/// One attribute of Envoy, by the name under which a Wasm filter reads it.
///
/// Source: the page "Attributes" of Envoy's documentation; the `istio` metadata is istiod's.
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
    /// `request.size`: of a connection all bytes that came from the client; of an open request those of its body so far.
    RequestSize,
    /// `response.size`: the other way.
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
    /// `response.grpc_status`: to be believed for gRPC requests only.
    ResponseGrpcStatus,
    /// `filter_state` of Envoy's filter `grpc_stats`: messages of the request and of the response, `3,5`.
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
    /// `source.address`: address and port; port 0 when it was taken from x-forwarded-for.
    SourceAddress,
    /// `connection.id`: Envoy's number of the downstream connection.
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
    /// Endpoint metadata `istio.workload`: `workload;namespace;canonical service;canonical revision;cluster`.
    EndpointWorkload,
    /// `xds.node.id`.
    NodeId,
    /// `xds.node.locality.region`.
    NodeRegion,
    /// `xds.node.locality.zone`.
    NodeZone,
    /// `filter_state.<object>.<field>`: what Istio's metadata exchange learnt of the peer.
    Peer(PeerObject, &'static str),
    /// `xds.node.metadata.<key>`.
    NodeMetadata(&'static str),
    /// `xds.node.metadata.LABELS.<label>`.
    NodeLabel(&'static str),
}

/// Where Istio's metadata exchange leaves a peer: from 1.29 on as `*_peer_obj`, whose fields are cheap to read; from 1.24 on
/// as `*_peer`, an object with fields at first, then a Struct, which Envoy reads anew for each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerObject {
    /// Who was called.
    Upstream,
    /// The same before 1.29.
    UpstreamOld,
    /// Who was called over TCP: there the exchange is between the two proxies' connections.
    UpstreamOfConnection,
    /// The same before 1.29.
    UpstreamOfConnectionOld,
    /// Who called.
    Downstream,
    /// The same before 1.29.
    DownstreamOld,
}

impl Attribute {
    /// The path that `get_property` takes: its parts with a NUL between two.
    #[must_use]
    pub fn path(self) -> Vec<u8> {
        // A label may hold dots, so it is no part of the dotted path.
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
            Self::ResponseGrpcStatus => "response.grpc_status",
            // The object's name has dots of its own.
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

/// The only thing that the pure rooms ask of a proxy.
pub trait Attributes {
    /// The value as Envoy serialises it, or `None` where it has none.
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>>;

    /// The answer to a whole question at once; `None` where it failed, or where Envoy has no expressions.
    fn evaluate(&self, question: Expression) -> Option<Vec<u8>>;

    /// Takes an answer that nobody needs any more, whose memory the next one may have.
    fn recycle(&self, _answer: Vec<u8>) {}

    /// A text; invalid UTF-8 is replaced, since a header may hold any byte.
    fn text(&self, attribute: Attribute) -> Option<String> {
        let bytes = self.bytes(attribute).filter(|bytes| !bytes.is_empty())?;
        Some(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }

    /// An integer, a duration or a timestamp: eight bytes, little-endian. Negative values are `None`.
    fn number(&self, attribute: Attribute) -> Option<u64> {
        let bytes: [u8; 8] = self.bytes(attribute)?.try_into().ok()?;
        u64::try_from(i64::from_le_bytes(bytes)).ok()
    }
}

#[cfg(test)]
pub(crate) mod table {
    //! A proxy as text: `name = value` lines, where numbers are written as numbers.
    use super::{Attribute, Attributes};
    use crate::attributes::expression::Expression;
    use std::cell::Cell;

    /// With expressions or, as an old Envoy or another host, without.
    pub(crate) struct Table {
        rows: Vec<(String, Vec<u8>)>,
        has_expressions: bool,
        /// Host calls so far.
        pub(crate) calls: Cell<u32>,
    }

    impl Table {
        pub(crate) fn parse(text: &str) -> Self {
            let row = |line: &str| {
                let (name, value) = line.split_once('=')?;
                let value = value.trim();
                let bytes = match value.parse::<i64>() {
                    // A header is text even where it looks like a number.
                    Ok(number) if !name.contains("headers") => number.to_le_bytes().to_vec(),
                    _ => value.as_bytes().to_vec(),
                };
                Some((name.trim().to_owned(), bytes))
            };
            Self { rows: text.lines().filter_map(row).collect(), has_expressions: true, calls: Cell::new(0) }
        }

        pub(crate) fn without_expressions(self) -> Self {
            Self { has_expressions: false, ..self }
        }
    }

    impl Attribute {
        /// Its parts with a dot between two.
        pub(crate) fn name(self) -> String {
            self.path().iter().map(|byte| if *byte == 0 { '.' } else { char::from(*byte) }).collect()
        }
    }

    impl Attributes for Table {
        fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
            self.calls.set(self.calls.get() + 1);
            let name = attribute.name();
            self.rows.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        }

        fn evaluate(&self, question: Expression) -> Option<Vec<u8>> {
            let before = self.calls.get();
            let answer =
                (self.has_expressions && !question.fails(self)).then(|| question.evaluate_each(self));
            self.calls.set(before + 1);
            answer
        }
    }
}
