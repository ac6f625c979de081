//! Attributes of the request, or of the node, that Envoy's current callback is about.
//!
//! In: an [`Attribute`], or a whole [`Question`]. Out: what Envoy answers. Always holds: an error of the host is no value;
//! each question is compiled once per VM, and where Envoy cannot do that none is ever answered.

use super::abi;
use crate::attributes::{Attribute, Attributes};
use crate::question::{QUESTIONS, Question};
use std::cell::OnceCell;

thread_local! {
    /// Envoy's numbers of the compiled questions.
    static COMPILED: OnceCell<[Option<[u8; 4]>; QUESTIONS.len()]> = const { OnceCell::new() };
}

/// Reads by host calls.
pub(super) struct Properties;

impl Attributes for Properties {
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
        abi::property(attribute.path().join("\0").as_bytes())
    }

    fn evaluate(&self, question: Question) -> Option<Vec<u8>> {
        let number = COMPILED.with(|compiled| number_of(question, compiled.get_or_init(compile)))?;
        abi::foreign_function("expr_evaluate", &number)
    }
}

fn number_of(question: Question, compiled: &[Option<[u8; 4]>; QUESTIONS.len()]) -> Option<[u8; 4]> {
    QUESTIONS.into_iter().zip(compiled).find(|(known, _)| *known == question).and_then(|(_, number)| *number)
}

fn compile() -> [Option<[u8; 4]>; QUESTIONS.len()] {
    QUESTIONS.map(|question| {
        let number = abi::foreign_function("expr_create", question.expression().as_bytes())?;
        number.try_into().ok()
    })
}
