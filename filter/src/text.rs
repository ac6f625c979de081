//! Texts as numbers, and lines of text.

pub(crate) mod format;
pub mod hash;
