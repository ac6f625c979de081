//! Words not to use, phrases that are allowed all the same, and words that begin no sentence.

use super::passage::{Kind, Passage, Word};
use serde::Deserialize;

/// The word lists of `xtask/structure/words.yaml`.
#[derive(Debug, Deserialize)]
pub(crate) struct Vocabulary {
    /// Words and phrases not to use.
    words: Vec<Banned>,
    /// Phrases in which a word of the list is allowed.
    allowed: Vec<String>,
    /// Words and phrases that begin no sentence.
    openings: Vec<String>,
    /// Comments that consist of nothing else.
    empty_comments: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Banned {
    /// Forms of a word or a phrase, with commas.
    word: String,
    /// The words to use instead.
    say: String,
}

/// A word that is not to be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    /// The form in the list.
    pub(crate) word: &'a str,
    /// The words to use instead.
    pub(crate) say: &'a str,
    /// The line, from 1.
    pub(crate) line: usize,
}

impl Vocabulary {
    /// The words of a passage that are not to be used.
    pub(crate) fn banned(&self, passage: &Passage) -> Vec<Found<'_>> {
        let words = passage.words();
        let mut found = Vec::new();
        if matches!(passage.kind, Kind::Comment | Kind::Doc)
            && let Some(comment) = self.empty_comments.iter().find(|comment| is_all(comment, &words))
        {
            found.push(Found { word: comment, say: "the thing itself, or nothing", line: passage.line });
        }
        let mut rest = words.as_slice();
        while let Some(first) = rest.first() {
            let step = match self.allowed.iter().filter_map(|phrase| length(phrase, rest)).max() {
                Some(length) => length,
                None => match self.banned_at(rest) {
                    Some((word, say, length)) => {
                        found.push(Found { word, say, line: first.line });
                        length
                    }
                    None => 1,
                },
            };
            rest = rest.get(step..).unwrap_or_default();
        }
        found
    }

    /// The longest form of the list that begins here.
    fn banned_at(&self, words: &[Word<'_>]) -> Option<(&str, &str, usize)> {
        self.words
            .iter()
            .flat_map(|entry| entry.word.split(',').map(move |form| (form.trim(), entry.say.as_str())))
            .filter_map(|(form, say)| Some((form, say, length(form, words)?)))
            .max_by_key(|(_, _, length)| *length)
    }

    /// Lines of sentences that begin with a word of the list.
    pub(crate) fn openings(&self, passage: &Passage) -> Vec<(usize, &str)> {
        if !matches!(passage.kind, Kind::Doc | Kind::Prose) {
            return Vec::new();
        }
        let words = passage.words();
        let begins = |index: usize, word: &Word<'_>| {
            let capital = word.text.starts_with(char::is_uppercase);
            capital && (index == 0 && !word.gap.contains('`') || ends_sentence(word.gap))
        };
        let at = |index: usize| {
            let rest = words.get(index..)?;
            let word = rest.first().filter(|word| begins(index, word))?;
            let opening = self.openings.iter().find(|opening| length(opening, rest).is_some())?;
            Some((word.line, opening.as_str()))
        };
        (0..words.len()).filter_map(at).collect()
    }
}

/// Whether a sentence ends between two words.
fn ends_sentence(gap: &str) -> bool {
    let Some(mark) = gap.rfind(['.', '!', '?']) else { return false };
    let after = gap.get(mark + 1..).unwrap_or_default();
    after.contains(char::is_whitespace) && !after.contains('`')
}

/// The number of words of a phrase, where the phrase begins here.
fn length(phrase: &str, words: &[Word<'_>]) -> Option<usize> {
    let mut count = 0;
    for part in phrase.split(' ') {
        let word = words.get(count)?;
        // A phrase does not continue across punctuation, nor across code.
        let joined = count == 0 || !word.gap.contains(['.', '`', '|', ';', ':']);
        if !joined || !part.eq_ignore_ascii_case(word.text) {
            return None;
        }
        count += 1;
    }
    Some(count)
}

fn is_all(phrase: &str, words: &[Word<'_>]) -> bool {
    length(phrase, words) == Some(words.len())
}
