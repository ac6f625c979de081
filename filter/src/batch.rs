//! Batches: tables of values that repeat, packed columns of records, and fold rows.
//!
//! Every module encodes its part of the contract's `v1::Batch` itself; [`EncodedMessage`] writes
//! the fields.

mod encode;
pub(crate) mod field;
mod hash_index;
mod intern;
mod edge_interner;
mod histogram;
mod fold;
mod columns;
mod rows;
#[expect(clippy::module_inception, reason = "the file of the main type")]
mod batch;

pub use batch::Batch;
pub use encode::EncodedMessage;
pub use fold::{Fold, FoldTable};
pub use histogram::Histogram;
