//! The elements of each expression.
//!
//! Invariant: the CEL files, the evaluation one by one and the readers of results use this order.

use super::attribute::Attribute;
use super::expression::{CONNECTION_VALUES, Expression, FAILURE_VALUES};

/// One element of an expression's list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Element {
    /// A number; [`super::expression::ABSENT`] where the attribute is missing.
    Number(Attribute),
    /// A text; empty where the attribute is missing.
    Text(Attribute),
    /// A request header. Most requests lack it, so it is always guarded.
    Header(Attribute),
    /// A field of Istio's metadata of a cluster or an endpoint.
    Metadata(Attribute),
    /// The text of the gRPC status, as the response trailer or header has it;
    /// [`super::expression::NO_STATUS`] or [`super::expression::NOT_GRPC`].
    GrpcStatus,
    /// 1 where the attribute is present, even if empty, else 0.
    IsPresent(Attribute),
}

/// The elements for both sides. Numbers come first, because they are read together. Cluster and
/// address follow each other, because one slice over both is the key of an edge.
const BOTH_SIDES: [Element; 5] = [
    Element::Number(Attribute::RequestDuration),
    Element::Number(Attribute::ResponseCode),
    Element::Number(Attribute::ResponseFlags),
    Element::Number(Attribute::RequestTotalSize),
    Element::Number(Attribute::ResponseTotalSize),
];
const SOURCE: [Element; 5] = [
    Element::Number(Attribute::UpstreamAttempts),
    Element::GrpcStatus,
    Element::Text(Attribute::RequestId),
    Element::Text(Attribute::ClusterName),
    Element::Text(Attribute::UpstreamAddress),
];
const DESTINATION: [Element; 6] = [
    Element::Number(Attribute::ConnectionId),
    Element::GrpcStatus,
    Element::Text(Attribute::RequestId),
    Element::Text(Attribute::ClusterName),
    Element::Text(Attribute::SourceAddress),
    Element::Header(Attribute::CallerAttempt),
];
const FAILURE: [Element; FAILURE_VALUES] =
    [Element::Text(Attribute::ResponseCodeDetails), Element::Text(Attribute::UpstreamFailureReason)];
const AUTHORITY: [Element; 2] = [Element::Text(Attribute::RequestHost), Element::Text(Attribute::RouteName)];
const SOURCE_EDGE: [Element; 8] = [
    Element::Metadata(Attribute::EndpointWorkload),
    Element::Text(Attribute::UpstreamPeerPrincipal),
    Element::Text(Attribute::UpstreamLocalPrincipal),
    Element::Metadata(Attribute::ServiceHost),
    Element::Metadata(Attribute::ServiceName),
    Element::Metadata(Attribute::ServiceNamespace),
    Element::Text(Attribute::RequestHost),
    Element::Text(Attribute::RouteName),
];
const DESTINATION_EDGE: [Element; 6] = [
    Element::Text(Attribute::ConnectionPeerPrincipal),
    Element::Text(Attribute::ConnectionLocalPrincipal),
    Element::Text(Attribute::RequestedServerName),
    Element::Metadata(Attribute::ServiceHost),
    Element::Metadata(Attribute::ServiceName),
    Element::Metadata(Attribute::ServiceNamespace),
];
const CONNECTION: [Element; CONNECTION_VALUES] = [
    Element::Number(Attribute::ListenerDirection),
    Element::IsPresent(Attribute::UpstreamFailureReason),
    Element::Number(Attribute::RequestTime),
    Element::Number(Attribute::ResponseFlags),
    Element::Number(Attribute::RequestSize),
    Element::Number(Attribute::ResponseSize),
    Element::Text(Attribute::ClusterName),
    Element::Text(Attribute::UpstreamAddress),
    Element::Text(Attribute::SourceAddress),
    Element::Text(Attribute::UpstreamFailureReason),
    Element::Number(Attribute::UpstreamAttempts),
    Element::Number(Attribute::ConnectionId),
];

impl Element {
    /// Returns the attribute of a text.
    pub(super) fn text(self) -> Option<Attribute> {
        match self {
            Self::Text(attribute) | Self::Header(attribute) | Self::Metadata(attribute) => Some(attribute),
            Self::Number(_) | Self::GrpcStatus | Self::IsPresent(_) => None,
        }
    }
}

/// Returns the elements of an expression.
pub(super) fn elements(
    expression: Expression,
    is_inbound: impl FnOnce() -> bool,
) -> impl Iterator<Item = &'static Element> {
    let (both, side): (&[Element], &[Element]) = match expression {
        Expression::Failure => (&FAILURE, &[]),
        Expression::Authority => (&AUTHORITY, &[]),
        Expression::SourceEdge => (&SOURCE_EDGE, &[]),
        Expression::DestinationEdge => (&DESTINATION_EDGE, &[]),
        Expression::Connection => (&CONNECTION, &[]),
        _ if is_inbound() => (&BOTH_SIDES, &DESTINATION),
        _ => (&BOTH_SIDES, &SOURCE),
    };
    both.iter().chain(side)
}
