//! Rust source as passages: identifiers, comments, doc comments, and string literals outside tests.

use super::passage::{Kind, Passage};
use super::prose;
use crate::structure::rust;
use anyhow::anyhow;
use proc_macro2::{Span, TokenStream, TokenTree};

/// The passages of one file. Comments are the text between tokens, doc comments are tokens
/// themselves.
pub(crate) fn passages(text: &str, is_test: bool) -> anyhow::Result<Vec<Passage>> {
    let tokens: TokenStream = text.parse().map_err(|error| anyhow!("{error}"))?;
    let mut reader = Reader { text, end: 0, passages: Vec::new(), docs: Vec::new() };
    reader.read(tokens, is_test);
    reader.comments(text.len());
    reader.finish_docs();
    Ok(reader.passages)
}

struct Reader<'a> {
    text: &'a str,
    /// The end of the last token, in bytes.
    end: usize,
    passages: Vec<Passage>,
    /// Lines of the doc comment that is being read.
    docs: Vec<(usize, &'a str)>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, stream: TokenStream, is_test: bool) {
        for (token, test) in rust::marked(stream) {
            let test = test || is_test;
            match token {
                TokenTree::Group(group) => {
                    let open = group.span_open();
                    if self.advance(open) {
                        self.read(group.stream(), test);
                        self.advance(group.span_close());
                    }
                }
                TokenTree::Ident(ident) => {
                    if self.advance(ident.span()) {
                        self.push(Kind::Identifier, ident.span().start().line, ident.to_string());
                    }
                }
                TokenTree::Literal(literal) => {
                    let source = self.source(literal.span());
                    if self.advance(literal.span()) && source.contains('"') && !test {
                        self.push(Kind::Literal, literal.span().start().line, unescaped(source));
                    }
                }
                TokenTree::Punct(mark) => {
                    self.advance(mark.span());
                }
            }
        }
    }

    fn source(&self, span: Span) -> &'a str {
        self.text.get(span.byte_range()).unwrap_or_default()
    }

    /// Goes on to a token and reads the comments before it. False for the tokens that stand for a
    /// doc comment.
    fn advance(&mut self, span: Span) -> bool {
        let range = span.byte_range();
        if range.end <= self.end {
            return false;
        }
        self.comments(range.start);
        self.end = range.end;
        let source = self.source(span);
        if source.starts_with("//") || source.starts_with("/*") {
            self.doc(span.start().line, source);
            return false;
        }
        self.finish_docs();
        true
    }

    /// Reads the comments between the last token and a position.
    fn comments(&mut self, until: usize) {
        let gap = self.text.get(self.end..until).unwrap_or_default();
        if !gap.contains('/') {
            return;
        }
        let first = 1 + self.text.get(..self.end).unwrap_or_default().matches('\n').count();
        let mut joins = false;
        for (line, piece) in (first..).zip(gap.split('\n')) {
            let comment = piece.trim_start();
            let text = comment.trim_start_matches(['/', '*']).to_owned();
            match self.passages.last_mut() {
                Some(last) if joins && !comment.is_empty() => {
                    last.text.push('\n');
                    last.text.push_str(&text);
                }
                _ if !comment.is_empty() => self.push(Kind::Comment, line, text),
                _ => {}
            }
            joins = !comment.is_empty();
        }
    }

    /// Adds the lines of one doc comment: a `///` line, or a block.
    fn doc(&mut self, line: usize, source: &'a str) {
        if self.docs.last().is_some_and(|(last, _)| last + 1 < line) {
            self.finish_docs();
        }
        for (index, text) in source.lines().enumerate() {
            let text = text.trim_start().trim_start_matches(['/', '!', '*']);
            self.docs.push((line + index, text));
        }
    }

    fn finish_docs(&mut self) {
        let docs = std::mem::take(&mut self.docs);
        self.passages.extend(prose::parts(&docs, Kind::Doc));
    }

    fn push(&mut self, kind: Kind, line: usize, text: String) {
        self.passages.push(Passage { kind, line, text });
    }
}

/// Blanks escapes, whose letters belong to no word.
fn unescaped(literal: &str) -> String {
    ["\\n", "\\t", "\\r"].iter().fold(literal.to_owned(), |text, escape| text.replace(escape, "  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let shown: Vec<String> = passages(text, false)
            .unwrap()
            .iter()
            .map(|passage| format!("{} {:?} {}", passage.line, passage.kind, passage.text.trim()))
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn comments_and_identifiers_are_passages() {
        check(
            "// a\n// b\nfn c() { // d\n e /* f */ }",
            &[
                "1 Comment a\n b",
                "3 Identifier fn",
                "3 Identifier c",
                "3 Comment d",
                "4 Identifier e",
                "4 Comment f */",
            ],
        );
    }

    #[test]
    fn doc_comments_are_passages_of_their_own() {
        check(
            "//! a\n//! b\n\n/// c\n///\n/// d\nmod e;",
            &["1 Doc a\n b", "4 Doc c", "6 Doc d", "7 Identifier mod", "7 Identifier e"],
        );
    }

    #[test]
    fn string_literals_are_passages_outside_tests() {
        check(
            "const A: u8 = b(\"c\\nd\", 'e', 1);\n#[cfg(test)]\nmod f { const G: &str = \"h\"; }",
            &[
                "1 Identifier const",
                "1 Identifier A",
                "1 Identifier u8",
                "1 Identifier b",
                "1 Literal \"c  d\"",
                "2 Identifier cfg",
                "2 Identifier test",
                "3 Identifier mod",
                "3 Identifier f",
                "3 Identifier const",
                "3 Identifier G",
                "3 Identifier str",
            ],
        );
    }
}
