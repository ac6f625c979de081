//! The ground floor: hashes of bytes, and text built without `core::fmt`.
//!
//! Every other module may import this one; it imports none.

pub(crate) mod format;
pub mod hash;
