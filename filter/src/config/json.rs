//! A reader of the JSON subset of a plugin configuration: nested objects of texts, whole numbers,
//! `true`, `false` and `null`.
//!
//! In: bytes. Out: every value with the dotted path of its key, in document order.
//! Invariant: recursion ends at [`DEPTH_MAX`]; an error has a line and a column. A full JSON
//! library would be an eighth of the module.

use crate::text::format::line;

/// The deepest nesting of objects.
const DEPTH_MAX: usize = 4;

/// A value other than an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A text.
    Text(String),
    /// A whole number of 0 or more. Go writes the numbers of a protobuf `Struct` as doubles, so
    /// `250.0` is accepted.
    Number(u64),
    /// Any other value.
    Other,
}

/// The position of a syntax error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    line: usize,
    column: usize,
}

impl SyntaxError {
    /// Returns the error text.
    pub(super) fn line(&self) -> String {
        line!("it is not the JSON that is expected at line ", self.line, " column ", self.column)
    }
}

/// Reads a document, which is one object.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(String, Value)>, SyntaxError> {
    let mut reader = Reader { bytes, position: 0, values: Vec::new() };
    let document = reader.object("", 0).filter(|()| reader.peek().is_none());
    match document {
        Some(()) => Ok(reader.values),
        None => Err(reader.error()),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    values: Vec<(String, Value)>,
}

impl Reader<'_> {
    fn object(&mut self, path: &str, depth: usize) -> Option<()> {
        self.expect(b'{').filter(|()| depth < DEPTH_MAX)?;
        if self.expect(b'}').is_some() {
            return Some(());
        }
        loop {
            let mut path = path.to_owned();
            path.push_str(&self.text()?);
            self.expect(b':')?;
            if self.peek()? == b'{' {
                path.push('.');
                self.object(&path, depth.saturating_add(1))?;
            } else {
                let value = self.value()?;
                self.values.push((path, value));
            }
            if self.expect(b',').is_none() {
                return self.expect(b'}');
            }
        }
    }

    #[inline(never)]
    fn value(&mut self) -> Option<Value> {
        if self.peek()? == b'"' {
            return self.text().map(Value::Text);
        }
        let start = self.position;
        while self
            .bytes
            .get(self.position)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
        {
            self.position = self.position.saturating_add(1);
        }
        let word = std::str::from_utf8(self.bytes.get(start..self.position)?).ok()?;
        match word.strip_suffix(".0").unwrap_or(word).parse() {
            Ok(number) => Some(Value::Number(number)),
            Err(_) if matches!(word, "true" | "false" | "null") => Some(Value::Other),
            Err(_) if matches!(word.as_bytes().first(), Some(b'-' | b'0'..=b'9')) => Some(Value::Other),
            Err(_) => None,
        }
    }

    #[inline(never)]
    fn text(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => return String::from_utf8(text).ok(),
                b'\\' => match self.next()? {
                    // No setting needs any other escape.
                    escaped @ (b'"' | b'\\' | b'/') => text.push(escaped),
                    _ => return None,
                },
                0..=0x1f => return None,
                byte => text.push(byte),
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.position)?;
        self.position = self.position.saturating_add(1);
        Some(byte)
    }

    /// Skips white space and returns the next byte.
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.position).is_some_and(u8::is_ascii_whitespace) {
            self.position = self.position.saturating_add(1);
        }
        self.bytes.get(self.position).copied()
    }

    #[inline(never)]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.position = self.position.saturating_add(1))
    }

    fn error(&self) -> SyntaxError {
        let before = self.bytes.get(..self.position).unwrap_or(self.bytes);
        let line_start =
            before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline.saturating_add(1));
        let line = before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        SyntaxError { line, column: before.len().saturating_sub(line_start).saturating_add(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, read};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let text = match read(json.as_bytes()) {
            Err(error) => error.line(),
            Ok(values) => {
                let line = |(path, value): &(String, Value)| format!("{path}={value:?}");
                values.iter().map(line).collect::<Vec<_>>().join(" ")
            }
        };
        assert_eq!(text.replace("it is not the JSON that is expected", "malformed"), expected);
    }

    #[test]
    fn values_are_read_with_their_paths() {
        check("{}", "");
        check(r#" { "a" : "x\"\/" , "b":{"c": 5, "d":{}}} "#, r#"a=Text("x\"/") b.c=Number(5)"#);
        check(r#"{"a":250.0,"b":2.5,"c":-1,"d":true}"#, "a=Number(250) b=Other c=Other d=Other");
        check(r#"{"a":18446744073709551616}"#, "a=Other");
    }

    #[test]
    fn syntax_errors_have_a_position() {
        check("", "malformed at line 1 column 1");
        check("[]", "malformed at line 1 column 1");
        check("{\"a\":\n  nope}", "malformed at line 2 column 7");
        check("{\"a\": [1]}", "malformed at line 1 column 7");
        check("{\"a\":1} x", "malformed at line 1 column 9");
        check("{\"a\":1,}", "malformed at line 1 column 8");
        check("{\"a\":\"\u{1}\"}", "malformed at line 1 column 8");
        check(r#"{"a":{"a":{"a":{"a":{}}}}}"#, "malformed at line 1 column 22");
    }

    #[test]
    fn truncated_documents_are_errors() {
        let json = r#"{"collector": {"cluster": "c\"", "authority": "ü"}, "n": -250.0, "t": true}"#;
        assert!(read(json.as_bytes()).is_ok());
        for end in 0..json.len() {
            assert!(read(&json.as_bytes()[..end]).is_err(), "truncated at {end}");
        }
    }
}
