//! Attributes with some values already read.
//!
//! Invariant: an attribute that was not prefetched is read from the proxy.

use super::attribute::Attribute;
use super::elements::{Element, elements};
use super::expression::Expression;
use super::one_by_one::is_inbound;
use super::source::Attributes;
use super::values::Values;

/// A proxy with prefetched attributes.
pub struct Prefetched<'a, A> {
    attributes: &'a A,
    prefetched: Vec<(Attribute, &'a [u8])>,
}

impl<'a, A: Attributes> Prefetched<'a, A> {
    /// Combines the result of an expression of texts with other known values. Without a result,
    /// each attribute is read when it is needed.
    pub fn new(
        attributes: &'a A,
        expression: Expression,
        result: Option<&'a [u8]>,
        known: &[(Attribute, &'a [u8])],
    ) -> Self {
        let mut prefetched = known.to_vec();
        let elements = elements(expression, is_inbound(attributes));
        let texts: Vec<Attribute> = elements.copied().filter_map(Element::text).collect();
        if let Some(values) = result.and_then(|bytes| Values::read(bytes, texts.len())) {
            prefetched.extend(texts.into_iter().zip(values));
        }
        Self { attributes, prefetched }
    }
}

impl<A: Attributes> Attributes for Prefetched<'_, A> {
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
        match self.prefetched.iter().find(|(known, _)| *known == attribute) {
            Some((_, value)) => Some(value.to_vec()),
            None => self.attributes.bytes(attribute),
        }
    }

    fn evaluate(&self, expression: Expression) -> Option<Vec<u8>> {
        self.attributes.evaluate(expression)
    }
}
