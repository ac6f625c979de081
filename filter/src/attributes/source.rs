//! The interface through which the filter reads a proxy's attributes.
//!
//! Invariant: a missing attribute is `None`, never an error. An empty text is `None` too, because
//! Envoy's host call does not distinguish the two.

use super::attribute::Attribute;
use super::expression::Expression;

/// A source of attributes: Envoy, or a fake in tests.
pub trait Attributes {
    /// Returns the value as Envoy serialises it; `None` where the attribute is missing.
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>>;

    /// Evaluates an expression, in one host call; `None` where the evaluation failed, or where
    /// Envoy has no expressions.
    fn evaluate(&self, expression: Expression) -> Option<Vec<u8>>;

    /// Returns the memory of a result, to be reused for the next one.
    fn recycle(&self, _result: Vec<u8>) {}

    /// Returns a text. Invalid UTF-8 is replaced, because a header may contain any byte.
    fn text(&self, attribute: Attribute) -> Option<String> {
        let bytes = self.bytes(attribute).filter(|bytes| !bytes.is_empty())?;
        Some(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }

    /// Returns an integer, a duration or a timestamp: eight bytes, little-endian. `None` where the
    /// value is negative.
    fn number(&self, attribute: Attribute) -> Option<u64> {
        let bytes: [u8; 8] = self.bytes(attribute)?.try_into().ok()?;
        u64::try_from(i64::from_le_bytes(bytes)).ok()
    }
}
