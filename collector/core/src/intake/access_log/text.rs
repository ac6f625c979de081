//! Length limit of texts.

/// Maximum bytes of a text, as in the filter; half of what the contract allows.
const TEXT_BYTES_MAX: usize = 256;

/// Truncates a text to the limit, at a character boundary.
pub(super) fn bounded(text: &str) -> &str {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
