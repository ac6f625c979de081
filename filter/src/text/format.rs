//! Log lines and error texts, built without `core::fmt`.
//!
//! `core::fmt` is 6 kB of code, which V8 would compile in each proxy for a rare log line. The
//! module is therefore built without it (`xtask/src/module/silence.rs`), and `format!` is a lint
//! here.

/// Concatenates parts into one `String`.
macro_rules! line {
    ($($part:expr),+ $(,)?) => { $crate::text::format::concat(&[$(&$part as &dyn $crate::text::format::LinePart),+]) };
}
pub(crate) use line;

/// Concatenates the parts of a line. One function serves all lines, because inlined each line would
/// take code for every part.
#[inline(never)]
pub(crate) fn concat(parts: &[&dyn LinePart]) -> String {
    let mut line = String::new();
    parts.iter().for_each(|part| part.append(&mut line));
    line
}

/// A text or number that can stand in a line.
pub(crate) trait LinePart {
    /// Appends the text to a line.
    fn append(&self, line: &mut String);
}

impl LinePart for str {
    fn append(&self, line: &mut String) {
        line.push_str(self);
    }
}

impl LinePart for String {
    fn append(&self, line: &mut String) {
        line.push_str(self);
    }
}

impl LinePart for char {
    fn append(&self, line: &mut String) {
        line.push(*self);
    }
}

impl LinePart for u64 {
    fn append(&self, line: &mut String) {
        let (rest, digit) = (self / 10, self % 10);
        if rest > 0 {
            rest.append(line);
        }
        line.push(char::from(b'0'.saturating_add(u8::try_from(digit).unwrap_or(0))));
    }
}

impl LinePart for u32 {
    fn append(&self, line: &mut String) {
        u64::from(*self).append(line);
    }
}

impl LinePart for usize {
    fn append(&self, line: &mut String) {
        u64::try_from(*self).unwrap_or(u64::MAX).append(line);
    }
}

impl<T: LinePart + ?Sized> LinePart for &T {
    fn append(&self, line: &mut String) {
        (*self).append(line);
    }
}

/// Returns the words as a list in backticks: `` `a`, `b`, `c` ``.
pub(crate) fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut list = String::new();
    for word in words {
        if !list.is_empty() {
            list.push_str(", ");
        }
        for part in ["`", word, "`"] {
            list.push_str(part);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::listed;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn parts_are_concatenated_in_order() {
        let texts = ("a".to_owned(), "b");
        assert_eq!(
            line!(texts.0, texts.1, 'ü', 0_u64, u64::MAX, 10_u32, 207_usize),
            "abü01844674407370955161510207"
        );
        assert_eq!(listed(["a", "b"].into_iter()), "`a`, `b`");
        assert_eq!(listed([].into_iter()), "");
    }
}
