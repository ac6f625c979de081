//! Shared text: one allocation for a label value that many edges, records or series carry.

use std::sync::Arc;

/// A text that many labels share.
pub type Text = Arc<str>;
