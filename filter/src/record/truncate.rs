//! The bound on the length of texts.

/// The longest text in a report, bytes; the collector refuses longer ones.
const TEXT_BYTES_MAX: usize = 256;

/// Truncates a text to [`TEXT_BYTES_MAX`], at a character boundary.
pub(super) fn truncated(text: &str) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{TEXT_BYTES_MAX, truncated};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn long_texts_are_truncated_between_characters() {
        let long = "é".repeat(TEXT_BYTES_MAX);
        let short = truncated(&long);
        assert!(short.len() <= TEXT_BYTES_MAX && long.starts_with(&short));
        assert_eq!(truncated("short"), "short");
    }
}
