//! Passages: pieces of text in which words are searched, with their lines.

/// The kind of a passage, which decides about the rules that apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name in Rust.
    Identifier,
    /// A comment that is no doc comment.
    Comment,
    /// A doc comment; rules about sentences apply.
    Doc,
    /// A string literal outside tests.
    Literal,
    /// Text of a document; rules about sentences apply.
    Prose,
    /// A line of a code fence, or a heading that asks: words count, sentences do not.
    Example,
}

/// A piece of text. Line breaks in it are those of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passage {
    /// The kind.
    pub(crate) kind: Kind,
    /// The line of the first character, from 1.
    pub(crate) line: usize,
    /// The text without comment marks.
    pub(crate) text: String,
}

/// A word of a passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// The word as it is written.
    pub(crate) text: &'a str,
    /// The line, from 1.
    pub(crate) line: usize,
    /// Everything between the word before and this one, of the same passage.
    pub(crate) gap: &'a str,
}

impl Passage {
    /// The words: runs of letters, split at underscores and at capitals.
    pub(crate) fn words(&self) -> Vec<Word<'_>> {
        let mut words = Vec::new();
        let (mut end, mut line) = (0, self.line);
        for run in runs(&self.text) {
            let gap = self.text.get(end..run.start).unwrap_or_default();
            line += gap.matches('\n').count();
            end = run.end;
            let text = self.text.get(run).unwrap_or_default();
            let parts = humps(text);
            words.extend(parts.into_iter().enumerate().map(|(index, text)| Word {
                text,
                line,
                gap: if index == 0 { gap } else { "" },
            }));
        }
        words
    }
}

/// Ranges of adjacent letters.
fn runs(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut start = None;
    for (index, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, letter.is_alphabetic()) {
            (None, true) => start = Some(index),
            (Some(begin), false) => {
                runs.push(begin..index);
                start = None;
            }
            _ => {}
        }
    }
    runs
}

/// `AddressBook` as `Address` and `Book`; `HTTPServer` as `HTTP` and `Server`.
fn humps(text: &str) -> Vec<&str> {
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    let mut parts = Vec::new();
    let mut start = 0;
    for window in letters.windows(2) {
        let [(_, before), (index, letter)] = window else { continue };
        let next = text.get(*index..).and_then(|rest| rest.chars().nth(1));
        let ends_acronym = before.is_uppercase() && next.is_some_and(char::is_lowercase);
        if letter.is_uppercase() && (before.is_lowercase() || ends_acronym) {
            parts.push(text.get(start..*index).unwrap_or_default());
            start = *index;
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let passage = Passage { kind: Kind::Doc, line: 1, text: text.to_owned() };
        let words: Vec<String> =
            passage.words().iter().map(|word| format!("{}:{}", word.line, word.text)).collect();
        assert_eq!(words, expected);
    }

    #[test]
    fn identifiers_are_split_into_words() {
        check("address_book2", &["1:address", "1:book"]);
        check("AddressBook", &["1:Address", "1:Book"]);
        check("HTTPServer gRPC", &["1:HTTP", "1:Server", "1:g", "1:RPC"]);
    }

    #[test]
    fn longer_words_stay_whole() {
        check("headroom, bookkeeping", &["1:headroom", "1:bookkeeping"]);
    }

    #[test]
    fn words_have_their_lines() {
        check("a room's\n\ndoor-bell", &["1:a", "1:room", "1:s", "3:door", "3:bell"]);
    }
}
