//! The evaluation of an expression attribute by attribute, where Envoy cannot evaluate it.
//!
//! A host call per attribute costs several times as much as one expression.

use super::attribute::Attribute;
use super::elements::{Element, elements};
use super::expression::{ABSENT, Expression, NOT_GRPC};
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
            if !content_type.starts_with(b"application/grpc") {
                return number(NOT_GRPC);
            }
            attributes.bytes(Attribute::ResponseGrpcStatus).unwrap_or_else(|| number(ABSENT))
        }
    }
}
