//! Envoy's attributes, read one by one or as the values of one expression.
//!
//! [`attribute`](Attribute) names them, [`Expression`] lists those that are read together,
//! [`Attributes`] is the interface to a proxy, [`Values`] parses the result of an expression, and
//! [`Prefetched`] serves attributes that were read already.

mod attribute;
mod expression;
mod elements;
mod source;
mod values;
mod one_by_one;
mod prefetched;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod generate;

pub use attribute::{Attribute, PeerObject};
pub use expression::{
    ABSENT, CONNECTION_VALUES, DESTINATION_VALUES, EXPRESSIONS, Expression, FAILURE_VALUES, NO_STATUS,
    NOT_GRPC, SOURCE_VALUES,
};
pub use one_by_one::evaluate_each;
pub use prefetched::Prefetched;
pub use source::Attributes;
pub use values::{Values, number};
