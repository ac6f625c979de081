//! Lines for operators.
//!
//! In: texts and numbers. Out: one text. Always holds: nothing of `core::fmt` is needed for it. That is 6 kB of code, which V8
//! would compile in each proxy for a line in a lifetime; so the module is built without it (`xtask/src/module/silence.rs`),
//! and `format!` is a lint here.

/// Puts a line together of its parts.
macro_rules! line {
    ($($part:expr),+ $(,)?) => { $crate::text::format::of(&[$(&$part as &dyn $crate::text::format::Part),+]) };
}
pub(crate) use line;

/// A line of parts. One function for all lines, since each would else be made of as many pieces of code as it has parts.
#[inline(never)]
pub(crate) fn of(parts: &[&dyn Part]) -> String {
    let mut line = String::new();
    parts.iter().for_each(|part| part.append(&mut line));
    line
}

/// What a line is made of.
pub(crate) trait Part {
    /// Appends it.
    fn append(&self, line: &mut String);
}

impl Part for str {
    fn append(&self, line: &mut String) {
        line.push_str(self);
    }
}

impl Part for String {
    fn append(&self, line: &mut String) {
        line.push_str(self);
    }
}

impl Part for char {
    fn append(&self, line: &mut String) {
        line.push(*self);
    }
}

impl Part for u64 {
    fn append(&self, line: &mut String) {
        let (rest, digit) = (self / 10, self % 10);
        if rest > 0 {
            rest.append(line);
        }
        line.push(char::from(b'0'.saturating_add(u8::try_from(digit).unwrap_or(0))));
    }
}

impl Part for u32 {
    fn append(&self, line: &mut String) {
        u64::from(*self).append(line);
    }
}

impl Part for usize {
    fn append(&self, line: &mut String) {
        u64::try_from(*self).unwrap_or(u64::MAX).append(line);
    }
}

impl<T: Part + ?Sized> Part for &T {
    fn append(&self, line: &mut String) {
        (*self).append(line);
    }
}

/// `` `a`, `b`, `c` ``
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
    fn parts_stand_one_after_the_other() {
        let texts = ("a".to_owned(), "b");
        assert_eq!(
            line!(texts.0, texts.1, 'ü', 0_u64, u64::MAX, 10_u32, 207_usize),
            "abü01844674407370955161510207"
        );
        assert_eq!(listed(["a", "b"].into_iter()), "`a`, `b`");
        assert_eq!(listed([].into_iter()), "");
    }
}
