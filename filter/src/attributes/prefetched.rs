//! A proxy that was asked already.
//!
//! In: the answer to a question about texts. Out: those texts as attributes. Always holds: what was not told is asked for.

use super::expression::{Expression, Value};
use crate::attributes::attribute::{Attribute, Attributes};
use crate::attributes::values::Values;

/// A proxy of whose attributes some are known already.
pub struct Prefetched<'a, A> {
    attributes: &'a A,
    known: Vec<(Attribute, &'a [u8])>,
}

impl<'a, A: Attributes> Prefetched<'a, A> {
    /// Takes the answer to a question about texts, and what else is known. Without an answer each is asked when needed.
    pub fn new(
        attributes: &'a A,
        question: Expression,
        answer: Option<&'a [u8]>,
        known: &[(Attribute, &'a [u8])],
    ) -> Self {
        let mut known = known.to_vec();
        let asked: Vec<Attribute> = question.values(attributes).copied().filter_map(Value::text).collect();
        if let Some(answer) = answer.and_then(|bytes| Values::read(bytes, asked.len())) {
            known.extend(asked.into_iter().zip(answer));
        }
        Self { attributes, known }
    }
}

impl<A: Attributes> Attributes for Prefetched<'_, A> {
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
        match self.known.iter().find(|(known, _)| *known == attribute) {
            Some((_, value)) => Some(value.to_vec()),
            None => self.attributes.bytes(attribute),
        }
    }

    fn evaluate(&self, question: Expression) -> Option<Vec<u8>> {
        self.attributes.evaluate(question)
    }
}
