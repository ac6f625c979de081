//! Conversion of an access log entry to a record.
//!
//! In: an encoded entry, its client, and the time.
//! Out: an [`Entry`], or the reason for skipping it.
//! Invariant: the rules are those of the filter, so that both sides of a hop are comparable
//! regardless of their source, which a common table of cases verifies. No text and no number from a
//! caller or an upstream is a reason to skip an entry.

use super::error::Skip;
use super::flags::bits;
use super::node::Client;
use super::peer::{self, PeerNames};
use super::reporter::{Connection, reporter};
use super::service::{self, Service};
use super::text::{lossy, text};
use crate::batch::{self, request_id_hash};
use crate::intake::validate::DURATION_US_MAX;
use hopscope_proto::envoy::data::accesslog::v3::{
    AccessLogCommon, AccessLogType, HttpAccessLogEntry, HttpResponseProperties, TcpAccessLogEntry,
};
use hopscope_proto::v1::{Protocol, Reporter};
use prost::Message;

/// Custom tag with the selected cluster. Envoy fills in the log's own field only after the
/// selection of an endpoint, therefore not with UH.
///
/// Custom tags add values that the fields of the log do not contain; see `docs/grpc.md`.
const CLUSTER_TAG: &str = "hopscope.cluster";
/// Custom tag with the URI SAN of the peer certificate of the upstream connection.
const UPSTREAM_PEER_TAG: &str = "hopscope.upstream_peer";
/// Custom tag with the URI SAN of the local certificate of the upstream connection.
const UPSTREAM_LOCAL_TAG: &str = "hopscope.upstream_local";

/// Finished request or closed connection. An unknown text is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) reporter: Reporter,
    pub(super) peer: PeerNames,
    pub(super) peer_address: String,
    pub(super) peer_principal: String,
    pub(super) local_principal: String,
    pub(super) service: Service,
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
        let mut entry = Self::common(&common, &lossy(&request.authority), client, now_us)?;
        entry.response_code = batch::Outcome::valid_code(response.response_code.unwrap_or(0));
        let header = |name| request.request_headers.get(name).map(Vec::as_slice);
        if header("content-type").is_some_and(is_grpc) {
            entry.protocol = Protocol::Grpc;
            entry.grpc_status = grpc_status(&response);
        } else {
            entry.protocol = Protocol::Http;
        }
        entry.request_bytes = request.request_headers_bytes.saturating_add(request.request_body_bytes);
        entry.response_bytes = response.response_headers_bytes.saturating_add(response.response_body_bytes);
        if !request.request_id.is_empty() {
            entry.request_id_hash = request_id_hash(&lossy(&request.request_id));
        }
        if entry.reporter == Reporter::Destination {
            entry.attempts = header("x-envoy-attempt-count").and_then(number).unwrap_or(0);
        }
        entry.explain(&response.response_code_details, &common);
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
        entry.explain(&common.connection_termination_details, &common);
        Ok(entry)
    }

    fn common(common: &AccessLogCommon, authority: &str, client: &Client, now_us: u64) -> Result<Self, Skip> {
        finished(common)?;
        let tag = |name| common.custom_tags.get(name).map(Vec::as_slice).unwrap_or_default();
        let cluster = [common.upstream_cluster.as_slice(), tag(CLUSTER_TAG)];
        let cluster = lossy(cluster.into_iter().find(|name| !name.is_empty()).unwrap_or_default());
        let cluster = cluster.trim_end_matches(';');
        let tls = common.tls_properties.clone().unwrap_or_default();
        let server_name = lossy(&tls.tls_sni_hostname);
        let peer_principal = peer::principal(tls.peer_certificate_properties.as_ref());
        let downstream = [&common.downstream_direct_remote_address, &common.downstream_remote_address];
        let connection = Connection {
            cluster,
            server_name: &server_name,
            has_peer_certificate: !peer_principal.is_empty(),
            local: peer::host(&common.downstream_local_address),
            remote: downstream.into_iter().map(peer::host).find(|host| !host.is_empty()).unwrap_or_default(),
        };
        let reporter = reporter(client, &connection);
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
            let address = downstream.into_iter().map(peer::address).find(|text| !text.is_empty());
            entry.peer_address = address.unwrap_or_default().to_owned();
            entry.peer_principal = peer_principal;
            entry.local_principal = peer::principal(tls.local_certificate_properties.as_ref());
            entry.peer = PeerNames::of_downstream(common);
            entry.service = service::of_destination(cluster, &server_name);
        } else {
            entry.peer_address = peer::address(&common.upstream_remote_address).to_owned();
            entry.peer_principal = text(tag(UPSTREAM_PEER_TAG));
            entry.local_principal = text(tag(UPSTREAM_LOCAL_TAG));
            entry.peer = PeerNames::of_upstream(common);
            entry.service = service::of_source(cluster, &lossy(&common.route_name), authority, &server_name);
        }
        Ok(entry)
    }

    /// Whether the request failed for its caller, so that its explanation is stored.
    pub(super) fn has_failed(&self) -> bool {
        self.response_flags != 0
            || !(100..400).contains(&self.response_code) && self.protocol != Protocol::Tcp
            || self.grpc_status.is_some_and(|status| status != 0)
    }

    fn explain(&mut self, details: &[u8], common: &AccessLogCommon) {
        if self.has_failed() {
            self.code_details = text(details);
            self.transport_failure_reason = text(&common.upstream_transport_failure_reason);
        }
    }
}

/// Whether a request with this content type is gRPC. gRPC-Web is not: its status is part of the
/// response body.
fn is_grpc(content_type: &[u8]) -> bool {
    content_type == b"application/grpc" || content_type.starts_with(b"application/grpc+")
}

/// Returns the gRPC status of the trailers or headers; `None` when none was sent.
fn grpc_status(response: &HttpResponseProperties) -> Option<u32> {
    let headers = [&response.response_trailers, &response.response_headers];
    let sent = headers.into_iter().find_map(|headers| headers.get("grpc-status"))?;
    Some(batch::Outcome::valid_grpc_status(number(sent).unwrap_or(u32::MAX)))
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Checks that the entry is of a finished request. `intermediate_log_entry` decides only without a
/// log type. An unknown type is not known to be an end.
fn finished(common: &AccessLogCommon) -> Result<(), Skip> {
    match AccessLogType::try_from(common.access_log_type) {
        Ok(AccessLogType::DownstreamEnd | AccessLogType::TcpConnectionEnd) => Ok(()),
        Ok(AccessLogType::NotSet) if !common.intermediate_log_entry => Ok(()),
        Ok(
            AccessLogType::UpstreamPoolReady | AccessLogType::UpstreamPeriodic | AccessLogType::UpstreamEnd,
        ) => Err(Skip::Upstream),
        Ok(
            AccessLogType::UdpTunnelUpstreamConnected
            | AccessLogType::UdpPeriodic
            | AccessLogType::UdpSessionEnd,
        )
        | Err(_) => Err(Skip::UnsupportedType),
        Ok(_) => Err(Skip::Unfinished),
    }
}

/// Returns start and duration in microseconds. A longer duration than the limit is the maximum, with
/// the start moved to that long before the end, as the filter reports it. The validator moves times
/// that are too far from the clock.
fn times(common: &AccessLogCommon, now_us: u64) -> Result<(u64, u64), Skip> {
    let start = common.start_time.as_ref().ok_or(Skip::Time)?;
    let start_us = micros(start.seconds, start.nanos);
    let duration = common.duration.as_ref().or(common.time_to_last_downstream_tx_byte.as_ref());
    let duration_us = match duration {
        Some(duration) => micros(duration.seconds, duration.nanos),
        // Envoy writes the entry at the end of the request, and sends it within its flush interval.
        None => now_us.saturating_sub(start_us),
    };
    let longest_us = DURATION_US_MAX.saturating_sub(1);
    let excess_us = duration_us.saturating_sub(longest_us);
    Ok((start_us.saturating_add(excess_us), duration_us.min(longest_us)))
}

/// Returns a time in microseconds; a negative one is 0.
fn micros(seconds: i64, nanos: i32) -> u64 {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let nanos = u64::try_from(nanos).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)
}
