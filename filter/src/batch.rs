//! Batches of records.

#[expect(clippy::module_inception, reason = "the file of the main type")]
mod batch;
pub mod columns;
pub mod encode;
pub mod fold;
pub mod hash_index;
pub mod histogram;
pub mod intern;

pub use batch::Batch;
pub(crate) use batch::field;
