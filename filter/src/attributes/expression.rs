//! What is asked of Envoy in one go.
//!
//! In: a [`Expression`]. Out: it as an expression that Envoy compiles once per plugin, and its answer where Envoy has no
//! expressions. Always holds: every way to ask gives the same values in the same order.
//!
//! A host call that brings data costs about 10,700 instructions whatever it brings, and each attribute in a list 2,300
//! more (`docs/performance.md`). A missing attribute fails the whole list; so the bare list comes first, which only
//! requests that failed can fail, and after it the guarded one. Envoy's CEL has no concatenation and no conversions.

use crate::attributes::attribute::{Attribute, Attributes};
use crate::attributes::values;

#[cfg(test)]
mod generate;

/// A list of attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expression {
    /// What every record needs; unanswered when one of them is missing.
    Request,
    /// The same, with stand-ins for what is missing.
    RequestGuarded,
    /// FailureReason a request failed.
    Failure,
    /// What the request itself says of where it goes.
    Authority,
    /// What names an edge at a source, beside the facts.
    SourceEdge,
    /// The same at a destination.
    DestinationEdge,
    /// What the record of a connection needs.
    Connection,
}

/// All of them, in the order in which a host compiles them.
pub const EXPRESSIONS: [Expression; 7] = [
    Expression::Request,
    Expression::RequestGuarded,
    Expression::Failure,
    Expression::Authority,
    Expression::SourceEdge,
    Expression::DestinationEdge,
    Expression::Connection,
];

/// Values of [`Expression::Request`] at a source and at a destination; the number tells the two apart.
pub const SOURCE_VALUES: usize = 10;
/// See [`SOURCE_VALUES`].
pub const DESTINATION_VALUES: usize = 11;
/// Values of [`Expression::Failure`].
pub const FAILURE_VALUES: usize = 2;
/// Values of [`Expression::Connection`].
pub const CONNECTION_VALUES: usize = 12;

/// Stands for the name of the header in an expression.
const HOP_HEADER: char = '@';

/// Stands for a number that is not known.
pub const ABSENT: i64 = -1;
/// Stands for the gRPC status of a request that is no gRPC.
pub const NO_GRPC: i64 = -2;

/// One value of a list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// [`ABSENT`] where it is missing.
    Number(Attribute),
    /// Empty where it is missing.
    Text(Attribute),
    /// A request header: missing more often than not, so always guarded.
    Header(Attribute),
    /// A part of Istio's metadata of a cluster or an endpoint.
    Metadata(Attribute),
    /// The gRPC status, [`ABSENT`], or [`NO_GRPC`].
    Grpc,
    /// 1 where there is one, be it empty, and 0 where there is none.
    Has(Attribute),
}

/// The numbers first, since those are read all at once; cluster and address side by side, since both together name an edge.
const BOTH_SIDES: [Value; 6] = [
    Value::Number(Attribute::RequestDuration),
    Value::Number(Attribute::ResponseCode),
    Value::Number(Attribute::ResponseFlags),
    Value::Number(Attribute::RequestTotalSize),
    Value::Number(Attribute::ResponseTotalSize),
    Value::Grpc,
];
const SOURCE: [Value; 4] = [
    Value::Number(Attribute::UpstreamAttempts),
    Value::Text(Attribute::RequestId),
    Value::Text(Attribute::ClusterName),
    Value::Text(Attribute::UpstreamAddress),
];
const DESTINATION: [Value; 5] = [
    Value::Number(Attribute::ConnectionId),
    Value::Text(Attribute::RequestId),
    Value::Text(Attribute::ClusterName),
    Value::Text(Attribute::SourceAddress),
    Value::Header(Attribute::CallerAttempt),
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

impl Expression {
    /// The expression.
    #[must_use]
    pub fn expression(self) -> &'static str {
        match self {
            Self::Request => include_str!("expression/request.cel"),
            Self::RequestGuarded => include_str!("expression/request_guarded.cel"),
            Self::Failure => include_str!("expression/failure.cel"),
            Self::Authority => include_str!("expression/authority.cel"),
            Self::SourceEdge => include_str!("expression/source_edge.cel"),
            Self::DestinationEdge => include_str!("expression/destination_edge.cel"),
            Self::Connection => include_str!("expression/connection.cel"),
        }
    }

    /// The expression where hops have ids of their own in this header; as without where it is empty.
    #[must_use]
    pub fn expression_with(self, hop_header: &str) -> String {
        let template = match self {
            Self::Request if !hop_header.is_empty() => include_str!("expression/request_hop_header.cel"),
            Self::RequestGuarded if !hop_header.is_empty() => {
                include_str!("expression/request_guarded_hop_header.cel")
            }
            _ => self.expression(),
        };
        let mut expression = String::new();
        for c in template.chars() {
            match c {
                HOP_HEADER => expression.push_str(hop_header),
                c => expression.push(c),
            }
        }
        expression
    }

    /// The same answer, asked attribute by attribute.
    #[must_use]
    pub fn evaluate_each(self, attributes: &impl Attributes) -> Vec<u8> {
        let list: Vec<Vec<u8>> = self.values(attributes).map(|value| value.ask(attributes)).collect();
        values::write(&list)
    }

    pub(super) fn values(self, attributes: &impl Attributes) -> impl Iterator<Item = &'static Value> {
        let (both, side): (&[Value], &[Value]) = match self {
            Self::Failure => (&FAILURE, &[]),
            Self::Authority => (&AUTHORITY, &[]),
            Self::SourceEdge => (&SOURCE_EDGE, &[]),
            Self::DestinationEdge => (&DESTINATION_EDGE, &[]),
            Self::Connection => (&CONNECTION, &[]),
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
            Value::Header(_) | Value::Metadata(_) | Value::Has(_) => false,
        };
        attributes.bytes(Attribute::ListenerDirection).is_none()
            || self == Self::Request && self.values(attributes).any(is_missing)
    }
}

impl Value {
    pub(super) fn text(self) -> Option<Attribute> {
        match self {
            Self::Text(attribute) | Self::Header(attribute) | Self::Metadata(attribute) => Some(attribute),
            Self::Number(_) | Self::Grpc | Self::Has(_) => None,
        }
    }

    fn ask(self, attributes: &impl Attributes) -> Vec<u8> {
        let absent = |number: i64| number.to_le_bytes().to_vec();
        match self {
            Self::Number(attribute) => attributes.bytes(attribute).unwrap_or_else(|| absent(ABSENT)),
            Self::Text(attribute) | Self::Header(attribute) | Self::Metadata(attribute) => {
                attributes.bytes(attribute).unwrap_or_default()
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
