//! Conversion of an access log entry to a record.
//!
//! In: an encoded entry, its client, and the time.
//! Out: an [`Entry`], or the reason for skipping it.
//! Invariant: the rules are those of the filter, so that both sides of a hop are comparable
//! regardless of their source: an address with port 0 is ignored, texts that only explain a failure
//! are stored only on failure, and the hash of a request id is equal.

use super::error::Skip;
use super::flags::bits;
use super::node::Client;
use super::service::{self, Service};
use crate::batch::request_id_hash;
use crate::intake::validate::DURATION_US_MAX;
use hopscope_proto::envoy::config::core::v3::Address;
use hopscope_proto::envoy::config::core::v3::address::Address as AddressKind;
use hopscope_proto::envoy::config::core::v3::socket_address::PortSpecifier;
use hopscope_proto::envoy::data::accesslog::v3::tls_properties::CertificateProperties;
use hopscope_proto::envoy::data::accesslog::v3::tls_properties::certificate_properties::subject_alt_name::San;
use hopscope_proto::envoy::data::accesslog::v3::{
    AccessLogCommon, AccessLogType, HttpAccessLogEntry, TcpAccessLogEntry,
};
use hopscope_proto::v1::{Protocol, Reporter, ServiceEvidence};
use prost::Message;

/// Custom tag with istiod's metadata of the endpoint:
/// `workload;namespace;service;revision;cluster`.
///
/// Custom tags add values that the fields of the log do not contain; see `docs/grpc.md`.
const ENDPOINT_TAG: &str = "hopscope.endpoint_workload";
/// Custom tag with the selected cluster. Envoy fills in the log's own field only after the
/// selection of an endpoint, therefore not with UH.
const CLUSTER_TAG: &str = "hopscope.cluster";
/// Custom tag with the URI SAN of the peer certificate of the upstream connection.
const UPSTREAM_PEER_TAG: &str = "hopscope.upstream_peer";
/// Custom tag with the URI SAN of the local certificate of the upstream connection.
const UPSTREAM_LOCAL_TAG: &str = "hopscope.upstream_local";
/// Maximum lead of a start over the collector's clock; within the limit of the validator.
const AHEAD_US_MAX: u64 = 9 * 60 * 1_000_000;
/// Maximum age of an end; within the limit of the validator.
const AGE_US_MAX: u64 = 23 * 3600 * 1_000_000;

/// Finished request or closed connection. An unknown text is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) reporter: Reporter,
    /// Workload, namespace, canonical service, canonical revision, cluster.
    pub(super) peer: [String; 5],
    pub(super) peer_address: String,
    pub(super) peer_principal: String,
    pub(super) local_principal: String,
    pub(super) service_host: String,
    pub(super) service_name: String,
    pub(super) service_port: u32,
    pub(super) subset: String,
    pub(super) service_evidence: ServiceEvidence,
    pub(super) response_code: u32,
    pub(super) response_flags: u64,
    pub(super) grpc_status: Option<u32>,
    pub(super) protocol: Protocol,
    pub(super) code_details: String,
    pub(super) transport_failure_reason: String,
    pub(super) start_us: u64,
    pub(super) duration_us: u64,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) request_id_hash: u32,
    pub(super) attempts: u32,
}

impl Entry {
    /// Reads an `HTTPAccessLogEntry`.
    pub(super) fn http(bytes: &[u8], client: &Client, now_us: u64) -> Result<Self, Skip> {
        let wire = HttpAccessLogEntry::decode(bytes).map_err(|_| Skip::Malformed)?;
        let common = wire.common_properties.unwrap_or_default();
        let request = wire.request.unwrap_or_default();
        let response = wire.response.unwrap_or_default();
        let mut entry = Self::common(&common, &request.authority, client, now_us)?;
        entry.response_code = response.response_code.unwrap_or(0);
        if !matches!(entry.response_code, 0 | 100..=999) {
            return Err(Skip::ResponseCode);
        }
        let header = |name| request.request_headers.get(name).map(String::as_str);
        let grpc_status = [&response.response_trailers, &response.response_headers]
            .into_iter()
            .find_map(|headers| headers.get("grpc-status")?.parse().ok());
        let grpc = grpc_status.is_some()
            || header("content-type").is_some_and(|kind| kind.starts_with("application/grpc"));
        entry.protocol = if grpc { Protocol::Grpc } else { Protocol::Http };
        entry.grpc_status = grpc_status;
        entry.request_bytes = request.request_headers_bytes.saturating_add(request.request_body_bytes);
        entry.response_bytes = response.response_headers_bytes.saturating_add(response.response_body_bytes);
        if !request.request_id.is_empty() {
            entry.request_id_hash = request_id_hash(&request.request_id);
        }
        if entry.reporter == Reporter::Destination {
            entry.attempts = header("x-envoy-attempt-count").and_then(|n| n.parse().ok()).unwrap_or(0);
        }
        let failed = !(1..400).contains(&entry.response_code);
        entry.explain(failed, &response.response_code_details, &common);
        Ok(entry)
    }

    /// Reads a `TCPAccessLogEntry`.
    pub(super) fn tcp(bytes: &[u8], client: &Client, now_us: u64) -> Result<Self, Skip> {
        let wire = TcpAccessLogEntry::decode(bytes).map_err(|_| Skip::Malformed)?;
        let common = wire.common_properties.unwrap_or_default();
        let connection = wire.connection_properties.unwrap_or_default();
        let mut entry = Self::common(&common, "", client, now_us)?;
        entry.protocol = Protocol::Tcp;
        entry.request_bytes = connection.received_bytes;
        entry.response_bytes = connection.sent_bytes;
        entry.explain(false, &common.connection_termination_details, &common);
        Ok(entry)
    }

    fn common(common: &AccessLogCommon, authority: &str, client: &Client, now_us: u64) -> Result<Self, Skip> {
        finished(common)?;
        let tag = |name| common.custom_tags.get(name).map_or("", String::as_str);
        let cluster = [common.upstream_cluster.as_str(), tag(CLUSTER_TAG)];
        let cluster = cluster.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        let cluster = cluster.trim_end_matches(';');
        let tls = common.tls_properties.clone().unwrap_or_default();
        let peer_principal = principal(tls.peer_certificate_properties.as_ref());
        let reporter =
            client.declared.unwrap_or_else(|| reporter(cluster, &tls.tls_sni_hostname, peer_principal));
        let (start_us, duration_us) = times(common, now_us)?;
        let mut entry = Self {
            reporter,
            response_flags: common.response_flags.as_ref().map_or(0, bits),
            attempts: common.upstream_request_attempt_count,
            start_us,
            duration_us,
            ..Self::default()
        };
        if reporter == Reporter::Destination {
            let peer = [&common.downstream_direct_remote_address, &common.downstream_remote_address];
            entry.peer_address =
                peer.into_iter().map(address).find(|text| !text.is_empty()).unwrap_or_default();
            entry.peer_principal = peer_principal.to_owned();
            entry.local_principal = principal(tls.local_certificate_properties.as_ref()).to_owned();
            entry.set_service(&service::of_destination(cluster, &tls.tls_sni_hostname));
        } else {
            entry.peer_address = address(&common.upstream_remote_address);
            tag(UPSTREAM_PEER_TAG).clone_into(&mut entry.peer_principal);
            tag(UPSTREAM_LOCAL_TAG).clone_into(&mut entry.local_principal);
            for (field, value) in entry.peer.iter_mut().zip(tag(ENDPOINT_TAG).split(';')) {
                value.clone_into(field);
            }
            let authority = authority.to_ascii_lowercase();
            entry.set_service(&service::of_source(cluster, &common.route_name, &authority));
        }
        Ok(entry)
    }

    fn set_service(&mut self, service: &Service<'_>) {
        service.host.clone_into(&mut self.service_host);
        service.name.clone_into(&mut self.service_name);
        service.subset.clone_into(&mut self.subset);
        self.service_port = service.port;
        self.service_evidence = service.evidence;
    }

    fn explain(&mut self, failed: bool, details: &str, common: &AccessLogCommon) {
        if failed || self.response_flags != 0 || self.grpc_status.is_some_and(|status| status != 0) {
            details.clone_into(&mut self.code_details);
            common.upstream_transport_failure_reason.clone_into(&mut self.transport_failure_reason);
        }
    }
}

/// Checks that the entry is of a finished request. `intermediate_log_entry` decides only without a
/// log type.
fn finished(common: &AccessLogCommon) -> Result<(), Skip> {
    match common.access_log_type() {
        AccessLogType::DownstreamEnd | AccessLogType::TcpConnectionEnd => Ok(()),
        AccessLogType::NotSet if !common.intermediate_log_entry => Ok(()),
        AccessLogType::UpstreamPoolReady | AccessLogType::UpstreamPeriodic | AccessLogType::UpstreamEnd => {
            Err(Skip::Upstream)
        }
        _ => Err(Skip::Unfinished),
    }
}

/// Infers the reporter when the name of the log does not declare it. Istio's cluster names decide
/// first. Otherwise a request with an Istio server name or a client certificate was received by a
/// destination, and any other request was sent by a source.
fn reporter(cluster: &str, server_name: &str, peer_principal: &str) -> Reporter {
    if cluster.starts_with("inbound|") || cluster.starts_with("InboundPassthroughCluster") {
        return Reporter::Destination;
    }
    let outbound = ["outbound|", "PassthroughCluster", "BlackHoleCluster"];
    if outbound.iter().any(|prefix| cluster.starts_with(prefix)) {
        return Reporter::Source;
    }
    if server_name.starts_with("outbound_.") || !peer_principal.is_empty() {
        return Reporter::Destination;
    }
    Reporter::Source
}

/// Returns start and duration in microseconds.
fn times(common: &AccessLogCommon, now_us: u64) -> Result<(u64, u64), Skip> {
    let start = common.start_time.as_ref().ok_or(Skip::Time)?;
    let start_us = micros(start.seconds, start.nanos).ok_or(Skip::Time)?;
    let duration = common.duration.as_ref().or(common.time_to_last_downstream_tx_byte.as_ref());
    let duration_us = match duration {
        Some(duration) => micros(duration.seconds, duration.nanos).ok_or(Skip::Time)?,
        // Envoy writes the entry at the end of the request, and sends it within its flush interval.
        None => now_us.saturating_sub(start_us),
    };
    let ended_us = start_us.saturating_add(duration_us);
    let in_time = start_us <= now_us.saturating_add(AHEAD_US_MAX)
        && ended_us >= now_us.saturating_sub(AGE_US_MAX)
        && duration_us < DURATION_US_MAX;
    if in_time { Ok((start_us, duration_us)) } else { Err(Skip::Time) }
}

fn micros(seconds: i64, nanos: i32) -> Option<u64> {
    let seconds = u64::try_from(seconds).ok()?;
    let nanos = u64::try_from(nanos).ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000)
}

/// Returns the address without its port; empty if the port is 0, because such an address is not the
/// peer's own.
fn address(address: &Option<Address>) -> String {
    match address.as_ref().and_then(|address| address.address.as_ref()) {
        Some(AddressKind::SocketAddress(socket)) => match socket.port_specifier {
            Some(PortSpecifier::PortValue(port)) if port != 0 => socket.address.clone(),
            _ => String::new(),
        },
        None => String::new(),
    }
}

/// Returns the first URI SAN of a certificate.
fn principal(certificate: Option<&CertificateProperties>) -> &str {
    let names = certificate.map_or(&[][..], |certificate| &certificate.subject_alt_name);
    let uri = names.iter().find_map(|name| match name.san.as_ref()? {
        San::Uri(uri) => Some(uri.as_str()),
        San::Dns(_) => None,
    });
    uri.unwrap_or_default()
}
