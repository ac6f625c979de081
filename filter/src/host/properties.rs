//! Attributes of the request, the connection or the node that Envoy's current callback is about.
//!
//! In: an [`Attribute`], or an [`Expression`]. Out: Envoy's value.
//! Invariant: an error of the host is a missing value. Where Envoy cannot compile the expressions,
//! none is evaluated.
//!
//! Envoy stores compiled expressions per plugin and numbers them from the first one on. Each plugin
//! compiles the same expressions in the same order, so that an id has one meaning in all of them,
//! and the plugin of a request need not be known.

use super::abi;
use crate::attributes::{Attribute, Attributes};
use crate::attributes::{EXPRESSIONS, Expression};
use std::cell::Cell;

/// Envoy's ids of the expressions, in the order of [`EXPRESSIONS`].
type Ids = [[u8; 4]; EXPRESSIONS.len()];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compiled {
    NotYet,
    As(Ids),
    Never,
}

thread_local! {
    static COMPILED: Cell<Compiled> = const { Cell::new(Compiled::NotYet) };
}

/// Compiles the expressions for the plugin that Envoy's callback is about, once for each plugin.
pub(super) fn compile(hop_header: &str) {
    let ids = EXPRESSIONS.map(|expression| {
        let id = abi::foreign_function("expr_create", &expression.cel_with_hop_header(hop_header));
        id.and_then(|id| <[u8; 4]>::try_from(id).ok())
    });
    let mut known = [[0; 4]; EXPRESSIONS.len()];
    let complete = known.iter_mut().zip(ids).all(|(known, id)| {
        *known = id.unwrap_or_default();
        id.is_some()
    });
    let compiled = if complete { Compiled::As(known) } else { Compiled::Never };
    let before = COMPILED.get();
    let agreed = before == Compiled::NotYet || before == compiled;
    COMPILED.set(if agreed { compiled } else { Compiled::Never });
}

/// Attributes that are read by host calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Properties {
    /// The callback is about the request.
    Current,
    /// The effective context was set to an in-flight request, for which Envoy evaluates no
    /// expression.
    InFlight,
}

impl Attributes for Properties {
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
        abi::property(&attribute.path())
    }

    fn evaluate(&self, expression: Expression) -> Option<Vec<u8>> {
        let Compiled::As(ids) = COMPILED.get() else { return None };
        if *self == Self::InFlight {
            return None;
        }
        // An expression is its index in the list.
        abi::foreign_function("expr_evaluate", ids.get(expression as usize)?)
    }

    fn recycle(&self, result: Vec<u8>) {
        abi::recycle(result);
    }
}
