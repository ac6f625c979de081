//! Comments of files that are not Rust, by the mark that begins one.

use super::passage::{Kind, Passage};

/// The comments: adjacent comment lines are one passage, since a sentence may go on in the next
/// line.
pub(crate) fn comments(text: &str, mark: &str) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((before, comment)) = comment(line, mark) else { continue };
        let comment = comment.trim_start_matches(mark.chars().next().unwrap_or('#'));
        let number = index + 1;
        match passages.last_mut() {
            Some(last)
                if before.trim().is_empty() && last.line + last.text.matches('\n').count() + 1 == number =>
            {
                last.text.push('\n');
                last.text.push_str(comment);
            }
            _ => passages.push(Passage { kind: Kind::Comment, line: number, text: comment.to_owned() }),
        }
    }
    passages
}

/// A line before and after the mark. A mark counts at the start, or after a space and outside
/// quotes.
fn comment<'a>(line: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let place = |(index, _): (usize, &str)| {
        let (before, after) = line.split_at(index);
        let open = before.matches('"').count() % 2 == 1 || before.matches('\'').count() % 2 == 1;
        let free = before.is_empty() || before.ends_with(char::is_whitespace);
        (free && !open).then(|| (before, after.get(mark.len()..).unwrap_or_default()))
    };
    line.match_indices(mark).find_map(place)
}

#[cfg(test)]
mod tests {
    fn check(text: &str, mark: &str, expected: &[(usize, &str)]) {
        let passages = super::comments(text, mark);
        let shown: Vec<_> = passages.iter().map(|passage| (passage.line, passage.text.as_str())).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn adjacent_lines_are_one_passage() {
        check("# a\n# b\nc: d # e\nf: g", "#", &[(1, " a\n b"), (3, " e")]);
    }

    #[test]
    fn marks_inside_quotes_and_words_are_none() {
        check("a: \"b # c\"\nd: e#f\ng: http://h", "#", &[]);
        check("a = http://h; // b", "//", &[(1, " b")]);
    }
}
