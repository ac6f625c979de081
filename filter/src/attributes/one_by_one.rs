//! The evaluation of an expression attribute by attribute, where Envoy cannot evaluate it.
//!
//! A host call per attribute costs several times as much as one expression.

use super::attribute::Attribute;
use super::elements::{Element, elements};
use super::expression::{ABSENT, Expression, NO_STATUS, NOT_GRPC};
use super::source::Attributes;
use super::values;

/// Evaluates an expression with one host call per attribute.
#[must_use]
pub fn evaluate_each(expression: Expression, attributes: &impl Attributes) -> Vec<u8> {
    let elements = elements(expression, is_inbound(attributes));
    let bytes: Vec<Vec<u8>> = elements.map(|element| element_bytes(*element, attributes)).collect();
    values::write(&bytes)
}

/// Returns a check whether the listener is inbound; the attribute is read when the check is called.
pub(super) fn is_inbound(attributes: &impl Attributes) -> impl FnOnce() -> bool {
    || attributes.number(Attribute::ListenerDirection) == Some(1)
}

/// Returns the value of an element, as the expression gives it.
pub(super) fn element_bytes(element: Element, attributes: &impl Attributes) -> Vec<u8> {
    let number = |number: i64| number.to_le_bytes().to_vec();
    match element {
        Element::Number(attribute) => attributes.bytes(attribute).unwrap_or_else(|| number(ABSENT)),
        Element::Text(attribute) | Element::Header(attribute) | Element::Metadata(attribute) => {
            attributes.bytes(attribute).unwrap_or_default()
        }
        Element::IsPresent(attribute) => number(attributes.bytes(attribute).is_some().into()),
        Element::GrpcStatus => {
            let content_type = attributes.bytes(Attribute::ContentType).unwrap_or_default();
            if !is_grpc(&content_type) {
                return NOT_GRPC.to_vec();
            }
            let status = attributes.bytes(Attribute::GrpcStatusTrailer);
            let status = status.or_else(|| attributes.bytes(Attribute::GrpcStatusHeader));
            status.unwrap_or_else(|| NO_STATUS.to_vec())
        }
    }
}

/// Returns whether a request with this content type is gRPC, by Envoy's rule: neither gRPC-Web nor
/// a type with parameters is.
fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}
