//! Texts of an entry: valid UTF-8 within the length limit.

use std::borrow::Cow;

/// Maximum bytes of a text, as in the filter; half of what the contract allows.
const TEXT_BYTES_MAX: usize = 256;

/// Returns a text; bytes that are not UTF-8 become replacement characters.
pub(super) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Returns a text within the limit; bytes that are not UTF-8 become replacement characters.
pub(super) fn text(bytes: &[u8]) -> String {
    bounded(&lossy(bytes)).to_owned()
}

/// Truncates a text to the limit, at a character boundary.
pub(super) fn bounded(text: &str) -> &str {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
