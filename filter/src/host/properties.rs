//! Attributes of the request, or of the node, that Envoy's current callback is about.
//!
//! In: an [`Attribute`], or a whole [`Expression`]. Out: what Envoy answers. Always holds: an error of the host is no value;
//! where Envoy compiles no expressions, no question is ever answered.
//!
//! Envoy keeps compiled expressions per plugin and numbers them from the first on; so when each plugin compiles the same
//! ones in the same order, a number means the same in all of them, and a request need not know whose it is.

use super::abi;
use crate::attributes::{Attribute, Attributes};
use crate::attributes::{EXPRESSIONS, Expression};
use std::cell::Cell;

/// Envoy's numbers of the questions, in their order.
type Numbers = [[u8; 4]; EXPRESSIONS.len()];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compiled {
    NotYet,
    As(Numbers),
    Never,
}

thread_local! {
    static COMPILED: Cell<Compiled> = const { Cell::new(Compiled::NotYet) };
}

/// Compiles the questions for the plugin that Envoy's callback is about; to be called once for each.
pub(super) fn compile(hop_header: &str) {
    let numbers = EXPRESSIONS.map(|question| {
        let number =
            abi::foreign_function("expr_create", question.cel_with_hop_header(hop_header).as_bytes());
        number.and_then(|number| <[u8; 4]>::try_from(number).ok())
    });
    let mut known = [[0; 4]; EXPRESSIONS.len()];
    let complete = known.iter_mut().zip(numbers).all(|(known, number)| {
        *known = number.unwrap_or_default();
        number.is_some()
    });
    let compiled = if complete { Compiled::As(known) } else { Compiled::Never };
    let before = COMPILED.get();
    let agreed = before == Compiled::NotYet || before == compiled;
    COMPILED.set(if agreed { compiled } else { Compiled::Never });
}

/// Reads by host calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Properties {
    /// Of the request that the callback is about.
    Current,
    /// Of one that it was made to be about: there Envoy evaluates no expression.
    InFlight,
}

impl Attributes for Properties {
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
        abi::property(&attribute.path())
    }

    fn evaluate(&self, question: Expression) -> Option<Vec<u8>> {
        let Compiled::As(numbers) = COMPILED.get() else { return None };
        if *self == Self::InFlight {
            return None;
        }
        // The questions stand in the order of their list.
        abi::foreign_function("expr_evaluate", numbers.get(question as usize)?)
    }

    fn recycle(&self, answer: Vec<u8>) {
        abi::keep(answer);
    }
}
