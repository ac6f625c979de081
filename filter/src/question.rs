//! What is asked of Envoy in one go.
//!
//! In: a [`Question`]. Out: it as an expression that Envoy compiles once per plugin, and its answer where Envoy has no
//! expressions. Always holds: every way to ask gives the same values in the same order.
//!
//! A host call that brings data costs about 10,700 instructions whatever it brings, and each attribute in a list 2,300
//! more (`docs/performance.md`). A missing attribute fails the whole list; so the bare list comes first, which only
//! requests that failed can fail, and after it the guarded one. Envoy's CEL has no concatenation and no conversions.

use crate::answer;
use crate::attributes::{Attribute, Attributes, PeerObject};

mod told;

pub use told::Told;

/// A list of attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// What every record needs; unanswered when one of them is missing.
    Request,
    /// The same, with stand-ins for what is missing.
    RequestGuarded,
    /// Why a request failed.
    Failure,
    /// What the request itself says of where it goes.
    Authority,
    /// What names an edge at a source, beside the facts.
    SourceEdge,
    /// The same at a destination.
    DestinationEdge,
    /// What the record of a connection needs.
    Connection,
    /// What Istio's metadata exchange learnt of who was called.
    UpstreamPeer,
    /// The same of who called.
    DownstreamPeer,
}

/// All of them, in the order in which a host compiles them.
pub const QUESTIONS: [Question; 9] = [
    Question::Request,
    Question::RequestGuarded,
    Question::Failure,
    Question::Authority,
    Question::SourceEdge,
    Question::DestinationEdge,
    Question::Connection,
    Question::UpstreamPeer,
    Question::DownstreamPeer,
];

/// Values of [`Question::Request`] at a source and at a destination; the number tells the two apart.
pub const SOURCE_VALUES: usize = 10;
/// See [`SOURCE_VALUES`].
pub const DESTINATION_VALUES: usize = 11;
/// Values of [`Question::Failure`].
pub const FAILURE_VALUES: usize = 2;
/// Values of [`Question::Connection`].
pub const CONNECTION_VALUES: usize = 12;

/// Values of [`Question::UpstreamPeer`] and [`Question::DownstreamPeer`].
pub const PEER_VALUES: usize = 7;

/// Stands for a number that is not known.
pub const ABSENT: i64 = -1;
/// Stands for the gRPC status of a request that is no gRPC.
pub const NO_GRPC: i64 = -2;

/// One value of a list.
#[derive(Debug, Clone, Copy)]
enum Value {
    /// [`ABSENT`] where it is missing.
    Number(Attribute),
    /// Empty where it is missing.
    Text(Attribute),
    /// A request header: missing more often than not, so always guarded.
    Header(Attribute, &'static str),
    /// A part of Istio's metadata of a cluster or an endpoint.
    Metadata(Attribute),
    /// A field of the peer, by the name of its object in new Istios and in old ones.
    Peer(PeerObject, PeerObject, &'static str),
    /// The gRPC status, [`ABSENT`], or [`NO_GRPC`].
    Grpc,
    /// 1 where there is one, be it empty, and 0 where there is none.
    Has(Attribute),
}

const BOTH_SIDES: [Value; 8] = [
    Value::Number(Attribute::RequestDuration),
    Value::Number(Attribute::ResponseCode),
    Value::Number(Attribute::ResponseFlags),
    Value::Number(Attribute::RequestTotalSize),
    Value::Number(Attribute::ResponseTotalSize),
    Value::Text(Attribute::RequestId),
    Value::Text(Attribute::ClusterName),
    Value::Grpc,
];
const SOURCE: [Value; 2] =
    [Value::Text(Attribute::UpstreamAddress), Value::Number(Attribute::UpstreamAttempts)];
const DESTINATION: [Value; 3] = [
    Value::Text(Attribute::SourceAddress),
    Value::Header(Attribute::CallerAttempt, "x-envoy-attempt-count"),
    Value::Number(Attribute::ConnectionId),
];
const FAILURE: [Value; FAILURE_VALUES] =
    [Value::Text(Attribute::ResponseCodeDetails), Value::Text(Attribute::UpstreamFailureReason)];
const AUTHORITY: [Value; 2] = [Value::Text(Attribute::RequestHost), Value::Text(Attribute::RouteName)];
const SOURCE_EDGE: [Value; 8] = [
    Value::Metadata(Attribute::EndpointWorkload),
    Value::Text(Attribute::UpstreamPeerPrincipal),
    Value::Text(Attribute::UpstreamLocalPrincipal),
    Value::Metadata(Attribute::ServiceHost),
    Value::Metadata(Attribute::ServiceName),
    Value::Metadata(Attribute::ServiceNamespace),
    Value::Text(Attribute::RequestHost),
    Value::Text(Attribute::RouteName),
];
const DESTINATION_EDGE: [Value; 6] = [
    Value::Text(Attribute::ConnectionPeerPrincipal),
    Value::Text(Attribute::ConnectionLocalPrincipal),
    Value::Text(Attribute::RequestedServerName),
    Value::Metadata(Attribute::ServiceHost),
    Value::Metadata(Attribute::ServiceName),
    Value::Metadata(Attribute::ServiceNamespace),
];
const CONNECTION: [Value; CONNECTION_VALUES] = [
    Value::Number(Attribute::ListenerDirection),
    Value::Has(Attribute::UpstreamFailureReason),
    Value::Number(Attribute::RequestTime),
    Value::Number(Attribute::ResponseFlags),
    Value::Number(Attribute::RequestSize),
    Value::Number(Attribute::ResponseSize),
    Value::Text(Attribute::ClusterName),
    Value::Text(Attribute::UpstreamAddress),
    Value::Text(Attribute::SourceAddress),
    Value::Text(Attribute::UpstreamFailureReason),
    Value::Number(Attribute::UpstreamAttempts),
    Value::Number(Attribute::ConnectionId),
];

const UPSTREAM_PEER: [Value; PEER_VALUES] = peer(PeerObject::Upstream, PeerObject::UpstreamOld);
const DOWNSTREAM_PEER: [Value; PEER_VALUES] = peer(PeerObject::Downstream, PeerObject::DownstreamOld);

/// Source: the field tokens of Istio's `WorkloadMetadataObject` (`extensions/common/metadata_object.h`).
const fn peer(new: PeerObject, old: PeerObject) -> [Value; PEER_VALUES] {
    [
        Value::Peer(new, old, "workload"),
        Value::Peer(new, old, "namespace"),
        Value::Peer(new, old, "service"),
        Value::Peer(new, old, "revision"),
        Value::Peer(new, old, "app"),
        Value::Peer(new, old, "version"),
        Value::Peer(new, old, "cluster"),
    ]
}

impl Question {
    /// The expression.
    #[must_use]
    pub fn expression(self) -> String {
        match self {
            Self::Failure => list(FAILURE.iter(), true),
            Self::Authority => list(AUTHORITY.iter(), true),
            Self::SourceEdge => list(SOURCE_EDGE.iter(), true),
            Self::DestinationEdge => list(DESTINATION_EDGE.iter(), true),
            Self::Connection => list(CONNECTION.iter(), true),
            Self::UpstreamPeer => list(UPSTREAM_PEER.iter(), true),
            Self::DownstreamPeer => list(DOWNSTREAM_PEER.iter(), true),
            Self::Request | Self::RequestGuarded => {
                let of = |side: &[Value]| list(BOTH_SIDES.iter().chain(side), self == Self::RequestGuarded);
                format!("xds.listener_direction == 1 ? {} : {}", of(&DESTINATION), of(&SOURCE))
            }
        }
    }

    /// The same answer, asked attribute by attribute.
    #[must_use]
    pub fn ask_one_by_one(self, attributes: &impl Attributes) -> Vec<u8> {
        let values: Vec<Vec<u8>> = self.values(attributes).map(|value| value.ask(attributes)).collect();
        answer::write(&values)
    }

    fn values(self, attributes: &impl Attributes) -> impl Iterator<Item = &'static Value> {
        let (both, side): (&[Value], &[Value]) = match self {
            Self::Failure => (&FAILURE, &[]),
            Self::Authority => (&AUTHORITY, &[]),
            Self::SourceEdge => (&SOURCE_EDGE, &[]),
            Self::DestinationEdge => (&DESTINATION_EDGE, &[]),
            Self::Connection => (&CONNECTION, &[]),
            Self::UpstreamPeer => (&UPSTREAM_PEER, &[]),
            Self::DownstreamPeer => (&DOWNSTREAM_PEER, &[]),
            _ if attributes.number(Attribute::ListenerDirection) == Some(1) => (&BOTH_SIDES, &DESTINATION),
            _ => (&BOTH_SIDES, &SOURCE),
        };
        both.iter().chain(side)
    }

    /// Whether the whole answer fails in the absence of something.
    #[cfg(test)]
    pub(crate) fn fails(self, attributes: &impl Attributes) -> bool {
        let is_missing = |value: &Value| match value {
            Value::Number(attribute) | Value::Text(attribute) => attributes.bytes(*attribute).is_none(),
            Value::Grpc => value.ask(attributes) == ABSENT.to_le_bytes(),
            Value::Header(..) | Value::Metadata(_) | Value::Has(_) | Value::Peer(..) => false,
        };
        attributes.bytes(Attribute::ListenerDirection).is_none()
            || self == Self::Request && self.values(attributes).any(is_missing)
    }
}

impl Value {
    fn text(self) -> Option<Attribute> {
        match self {
            Self::Text(attribute) | Self::Header(attribute, _) | Self::Metadata(attribute) => Some(attribute),
            Self::Number(_) | Self::Grpc | Self::Has(_) | Self::Peer(..) => None,
        }
    }

    fn expression(self, guarded: bool) -> String {
        let (attribute, absent) = match self {
            Self::Number(attribute) => (attribute, "-1"),
            Self::Text(attribute) => (attribute, "''"),
            Self::Metadata(attribute) => return metadata(attribute),
            Self::Has(attribute) => return format!("has({}) ? 1 : 0", attribute.path().join(".")),
            Self::Peer(new, old, field) => {
                let of = |object| Attribute::Peer(object, field);
                return format!("{} : {} : ''", field_of(of(new)), field_of(of(old)));
            }
            Self::Header(_, name) => {
                return format!("'{name}' in request.headers ? request.headers['{name}'] : ''");
            }
            Self::Grpc => {
                let status = "response.grpc_status";
                let status =
                    if guarded { format!("has({status}) ? {status} : {ABSENT}") } else { status.to_owned() };
                return format!(
                    "'content-type' in request.headers && \
                     request.headers['content-type'].startsWith('application/grpc') ? ({status}) : {NO_GRPC}"
                );
            }
        };
        let name = attribute.path().join(".");
        if guarded { format!("has({name}) ? {name} : {absent}") } else { name }
    }

    fn ask(self, attributes: &impl Attributes) -> Vec<u8> {
        let absent = |number: i64| number.to_le_bytes().to_vec();
        match self {
            Self::Number(attribute) => attributes.bytes(attribute).unwrap_or_else(|| absent(ABSENT)),
            Self::Text(attribute) | Self::Header(attribute, _) | Self::Metadata(attribute) => {
                attributes.bytes(attribute).unwrap_or_default()
            }
            Self::Peer(new, old, field) => {
                let of = |object| attributes.bytes(Attribute::Peer(object, field));
                of(new).filter(|value| !value.is_empty()).or_else(|| of(old)).unwrap_or_default()
            }
            Self::Has(attribute) => absent(attributes.bytes(attribute).is_some().into()),
            Self::Grpc => {
                let content_type = attributes.bytes(Attribute::ContentType).unwrap_or_default();
                if !content_type.starts_with(b"application/grpc") {
                    return absent(NO_GRPC);
                }
                attributes.bytes(Attribute::ResponseGrpcStatus).unwrap_or_else(|| absent(ABSENT))
            }
        }
    }
}

fn list<'a>(values: impl Iterator<Item = &'a Value>, guarded: bool) -> String {
    let values: Vec<String> = values.map(|value| value.expression(guarded)).collect();
    format!("[{}]", values.join(", "))
}

/// What a field is, if the object and the field are there.
fn field_of(attribute: Attribute) -> String {
    let path = attribute.path();
    let part = |place: usize| path.get(place).unwrap_or(&"");
    let object = format!("{}['{}']", part(0), part(1));
    format!("'{}' in {} && '{}' in {object} ? {object}['{}']", part(1), part(0), part(2), part(2))
}

/// Each level is guarded: an endpoint without metadata has one that is null.
fn metadata(attribute: Attribute) -> String {
    let path = attribute.path();
    let mut parts = path.iter();
    let mut inner = format!("xds.{}", parts.nth(1).unwrap_or(&""));
    let mut guard = format!("has({inner}) && {inner} != null");
    for part in parts {
        if *part == "filter_metadata" {
            inner = format!("{inner}.{part}");
        } else if part.parse::<u32>().is_ok() {
            inner = format!("{inner}[{part}]");
        } else {
            guard = format!("{guard} && '{part}' in {inner}");
            inner = format!("{inner}['{part}']");
        }
    }
    format!("{guard} ? {inner} : ''")
}
