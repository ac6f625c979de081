//! Value of labels that are not known.

use crate::batch::Text;
use std::sync::LazyLock;

/// `unknown`, as in Istio.
pub(super) static UNKNOWN: LazyLock<Text> = LazyLock::new(|| "unknown".into());

/// Returns the text, or `unknown` if it is empty.
pub(super) fn known(text: &Text) -> Text {
    if text.is_empty() { UNKNOWN.clone() } else { text.clone() }
}
