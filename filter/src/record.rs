//! What one proxy knows of one finished request.
//!
//! In: the attributes at the end of a request, and the clock. Out: a [`Record`]. Always holds: exactly one record per
//! call, whatever is missing; what only explains a failure is read only on failure.

use crate::attributes::{Attribute, Attributes};
use crate::service::{self, Service};
pub use hopscope_proto::v1::{Protocol, Reporter};

/// The longest text that leaves the proxy, bytes; the collector refuses longer ones.
pub const TEXT_BYTES_MAX: usize = 256;

/// One finished request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Between whom.
    pub edge: Edge,
    /// How it ended.
    pub outcome: Outcome,
    /// Its figures.
    pub measure: Measure,
}

/// The figures of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measure {
    /// Start, microseconds since the Unix epoch.
    pub start_us: u64,
    /// First byte of the request to the end of the response.
    pub duration_us: u64,
    /// Headers and body.
    pub request_bytes: u64,
    /// Headers, body and trailers.
    pub response_bytes: u64,
    /// See [`request_id_hash`]; 0 without an id.
    pub request_id_hash: u64,
    /// Attempts upstream (source), or the caller's attempt number (destination); 0 when not known.
    pub attempts: u32,
}

/// The peer and the service, as far as this proxy can tell. The own side is the proxy's identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Which side of the call this proxy is.
    pub reporter: Reporter,
    /// The other side.
    pub peer: Peer,
    /// First URI SAN of the own certificate on the connection between the two.
    pub local_principal: String,
    /// Both sides presented a certificate.
    pub mutual_tls: bool,
    /// What the caller meant to reach.
    pub service: Service,
}

/// The other side of the call. Empty texts are "not known".
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Workload (Deployment or the like).
    pub workload: String,
    /// Its namespace.
    pub namespace: String,
    /// Its canonical service.
    pub canonical_service: String,
    /// Its canonical revision; istiod leaves it out where it is `latest`.
    pub canonical_revision: String,
    /// Its cluster.
    pub cluster: String,
    /// Its address without port.
    pub address: String,
    /// First URI SAN of its certificate.
    pub principal: String,
}

/// How a request ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// HTTP status; 0 without response headers.
    pub response_code: u32,
    /// Envoy's bitmap.
    pub response_flags: u64,
    /// Only for gRPC.
    pub grpc_status: Option<u32>,
    /// HTTP or gRPC.
    pub protocol: Protocol,
    /// Only on failure.
    pub code_details: String,
    /// Only on failure.
    pub transport_failure_reason: String,
}

/// Makes the record of the request that just ended. `now_us`: microseconds since the Unix epoch.
pub fn observe(attributes: &impl Attributes, now_us: u64) -> Record {
    let destination = attributes.number(Attribute::ListenerDirection) == Some(1);
    Record {
        edge: if destination { destination_edge(attributes) } else { source_edge(attributes) },
        outcome: outcome(attributes),
        measure: measure(attributes, destination, now_us),
    }
}

fn source_edge(attributes: &impl Attributes) -> Edge {
    let text = |attribute| attributes.text(attribute).unwrap_or_default();
    let endpoint = text(Attribute::EndpointWorkload);
    let mut endpoint = endpoint.split(';').map(bounded);
    let mut next = || endpoint.next().unwrap_or_default();
    let peer = Peer {
        workload: next(),
        namespace: next(),
        canonical_service: next(),
        canonical_revision: next(),
        cluster: next(),
        address: address(&text(Attribute::UpstreamAddress)),
        principal: bounded(&text(Attribute::UpstreamPeerPrincipal)),
    };
    let local_principal = bounded(&text(Attribute::UpstreamLocalPrincipal));
    Edge {
        reporter: Reporter::Source,
        mutual_tls: !peer.principal.is_empty() && !local_principal.is_empty(),
        peer,
        local_principal,
        service: bounded_service(&service::of_source(attributes)),
    }
}

fn destination_edge(attributes: &impl Attributes) -> Edge {
    let text = |attribute| attributes.text(attribute).unwrap_or_default();
    let peer = Peer {
        address: address(&text(Attribute::SourceAddress)),
        principal: bounded(&text(Attribute::ConnectionPeerPrincipal)),
        ..Peer::default()
    };
    let local_principal = bounded(&text(Attribute::ConnectionLocalPrincipal));
    Edge {
        reporter: Reporter::Destination,
        mutual_tls: !peer.principal.is_empty() && !local_principal.is_empty(),
        peer,
        local_principal,
        service: bounded_service(&service::of_destination(attributes)),
    }
}

fn outcome(attributes: &impl Attributes) -> Outcome {
    let content_type = attributes.text(Attribute::ContentType).unwrap_or_default();
    let grpc = content_type.starts_with("application/grpc");
    let small = |attribute| attributes.number(attribute).and_then(|n| u32::try_from(n).ok());
    let mut outcome = Outcome {
        response_code: small(Attribute::ResponseCode).unwrap_or(0),
        response_flags: attributes.number(Attribute::ResponseFlags).unwrap_or(0),
        // Envoy maps every HTTP status to a gRPC one, so a plain 200 would read as 2.
        grpc_status: if grpc { small(Attribute::ResponseGrpcStatus) } else { None },
        protocol: if grpc { Protocol::Grpc } else { Protocol::Http },
        ..Outcome::default()
    };
    let failed = outcome.response_flags != 0
        || !(1..400).contains(&outcome.response_code)
        || outcome.grpc_status.is_some_and(|status| status != 0);
    if failed {
        let text = |attribute| bounded(&attributes.text(attribute).unwrap_or_default());
        outcome.code_details = text(Attribute::ResponseCodeDetails);
        outcome.transport_failure_reason = text(Attribute::UpstreamFailureReason);
    }
    outcome
}

fn measure(attributes: &impl Attributes, destination: bool, now_us: u64) -> Measure {
    let number = |attribute| attributes.number(attribute);
    let start_us = number(Attribute::RequestTime).map_or(now_us, |ns| ns / 1_000);
    let duration_us =
        number(Attribute::RequestDuration).map_or(now_us.saturating_sub(start_us), |ns| ns / 1_000);
    let attempts = if destination {
        attributes.text(Attribute::CallerAttempt).and_then(|n| n.parse().ok())
    } else {
        number(Attribute::UpstreamAttempts).and_then(|n| u32::try_from(n).ok())
    };
    Measure {
        start_us,
        duration_us,
        request_bytes: number(Attribute::RequestTotalSize).unwrap_or(0),
        response_bytes: number(Attribute::ResponseTotalSize).unwrap_or(0),
        request_id_hash: attributes.text(Attribute::RequestId).map_or(0, |id| request_id_hash(&id)),
        attempts: attempts.unwrap_or(0),
    }
}

/// The address without its port, or nothing where the port is 0: behind a forwarded-for header Envoy gives the client's
/// address with port 0, and naming a peer by it would name the wrong one.
fn address(address_and_port: &str) -> String {
    match service::split_port(address_and_port) {
        (_, 0) => String::new(),
        (host, _) => bounded(host.trim_start_matches('[').trim_end_matches(']')),
    }
}

/// Cuts a text at [`TEXT_BYTES_MAX`], at a character's border.
fn bounded(text: &str) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

fn bounded_service(service: &Service) -> Service {
    Service {
        host: bounded(&service.host),
        name: bounded(&service.name),
        namespace: bounded(&service.namespace),
        subset: bounded(&service.subset),
        ..*service
    }
}

/// The 64-bit FNV-1a hash of a request id, never 0, the same on both sides of a hop.
///
/// Tracing rewrites the version nibble of a UUID (index 14) to its own decision, which can differ between two proxies,
/// so that nibble is masked in ids of that shape.
#[must_use]
pub fn request_id_hash(id: &str) -> u64 {
    const VERSION_NIBBLE: usize = 14;
    let is_uuid = id.len() == 36
        && id.bytes().enumerate().all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let masked = |(i, byte)| if is_uuid && i == VERSION_NIBBLE { b'0' } else { byte };
    fnv1a(id.bytes().enumerate().map(masked)).max(1)
}

/// 64-bit FNV-1a (Fowler, Noll, Vo): small code, no table, good enough for texts that nobody chooses to collide.
#[must_use]
pub fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
