//! Markdown as passages: paragraphs, list items, table rows and headings.
//!
//! Invariant: code spans and addresses of links hold no words; a heading that asks a question
//! begins as it likes.

use super::passage::{Kind, Passage};

/// The passages of a Markdown document.
pub(crate) fn markdown(text: &str) -> Vec<Passage> {
    let lines: Vec<(usize, &str)> = text.lines().enumerate().map(|(index, line)| (index + 1, line)).collect();
    parts(&lines, Kind::Prose)
}

/// The passages of lines in Markdown; the text inside code fences has no sentences.
pub(crate) fn parts(lines: &[(usize, &str)], kind: Kind) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut fenced = false;
    let mut joins = false;
    for (number, line) in lines {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") {
            fenced = !fenced;
            joins = false;
            continue;
        }
        if trimmed.is_empty() {
            joins = false;
            continue;
        }
        let question = trimmed.starts_with('#') && trimmed.ends_with('?');
        let single = fenced || trimmed.starts_with(['#', '|']);
        let passage_kind = if fenced || question { Kind::Example } else { kind };
        match passages.last_mut() {
            Some(last) if joins && !single && !begins_item(trimmed) => {
                last.text.push('\n');
                last.text.push_str(line);
            }
            _ => passages.push(Passage { kind: passage_kind, line: *number, text: (*line).to_owned() }),
        }
        joins = !single;
    }
    for passage in &mut passages {
        passage.text = without_code(&passage.text);
    }
    passages
}

/// Whether a line begins an item of a list.
fn begins_item(line: &str) -> bool {
    let number = line.trim_start_matches(|digit: char| digit.is_ascii_digit());
    line.starts_with("- ")
        || line.starts_with("* ")
        || (number.len() < line.len() && number.starts_with(". "))
}

/// Blanks code spans, which stay as one backquote, and the addresses of links. Line breaks stay.
fn without_code(text: &str) -> String {
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some(start) = rest.find(['`', ']']) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let (end, mark) = if from.starts_with('`') {
            let ticks = from.len() - from.trim_start_matches('`').len();
            let fence = from.get(..ticks).unwrap_or_default();
            let close = from.get(ticks..).and_then(|inner| inner.find(fence));
            (close.map_or(ticks, |close| close + 2 * ticks), '`')
        } else if from.starts_with("](") {
            (from.find(')').unwrap_or(1), ' ')
        } else {
            (1, ' ')
        };
        let (span, after) = from.split_at(end);
        out.push(mark);
        out.extend(span.matches('\n').map(|_| '\n'));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    fn check(text: &str, expected: &[(usize, &str)]) {
        let passages = super::markdown(text);
        let shown: Vec<_> = passages.iter().map(|passage| (passage.line, passage.text.as_str())).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn paragraphs_items_and_rows_are_passages() {
        check(
            "# T\na\nb\n\n- c\n  d\n- e\n| f |\n| g |",
            &[(1, "# T"), (2, "a\nb"), (5, "- c\n  d"), (7, "- e"), (8, "| f |"), (9, "| g |")],
        );
    }

    #[test]
    fn code_spans_and_addresses_are_blank() {
        check("a `told` b [c](told.md) d ``x`y`` e", &[(1, "a ` b [c ) d ` e")]);
    }

    #[test]
    fn code_fences_are_passages_line_by_line() {
        check("a\n```sh\nb\nc\n```\nd", &[(1, "a"), (3, "b"), (4, "c"), (6, "d")]);
    }
}
