//! Problems of a configuration: the origin of the value, the setting, the reason and a suggestion.
//!
//! Out: one line for people, one JSON object for programs.
//! Invariant: no problem repeats a secret; the line has no characters that control a terminal.

use crate::terminal::visible;
use serde_json::json;
use std::fmt;

/// Origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A position in a file; line and column count from 1.
    File {
        /// Name of the file, as it was given.
        file: String,
        /// The line.
        line: u64,
        /// The column, in characters.
        column: u64,
    },
    /// An environment variable.
    Variable(String),
    /// An option of the command line, without its dashes.
    Option(String),
    /// The default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Variable(name) => f.write_str(name),
            Self::Option(name) => write!(f, "--{name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Origin of the value.
    pub origin: Origin,
    /// Setting or section, such as `aggregate.series_max`; empty for the file as a whole.
    pub key: String,
    /// The reason, as a phrase about the key.
    pub message: String,
    /// The known word that was probably meant.
    pub suggestion: Option<String>,
}

impl Problem {
    /// The problem as a JSON object.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let mut object = json!({"key": self.key, "message": self.message, "suggestion": self.suggestion});
        let origin = match &self.origin {
            Origin::File { file, line, column } => json!({"file": file, "line": line, "column": column}),
            Origin::Variable(name) => json!({"variable": name}),
            Origin::Option(name) => json!({"option": name}),
            Origin::Default => json!({}),
        };
        if let (Some(object), serde_json::Value::Object(origin)) = (object.as_object_mut(), origin) {
            object.extend(origin);
        }
        object
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, key, message, suggestion } = self;
        let mut text = format!("{origin}: ");
        if !key.is_empty() {
            text = format!("{text}{key} ");
        }
        text.push_str(message);
        if let Some(suggestion) = suggestion {
            text = format!("{text}; did you mean {suggestion}?");
        }
        f.write_str(&visible(&text))
    }
}

/// Length from which a prefix identifies a word. Shorter ones match too many words.
const PREFIX_MIN: usize = 3;

/// The known word that was probably meant: the most similar one, if it is similar enough, or the
/// only one with this prefix.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let distance = |known: &str| strsim::damerau_levenshtein(&word, &known.to_lowercase());
    let known: Vec<&str> = known.into_iter().collect();
    let near = known.iter().copied().map(|known| (distance(known), known));
    let (least, nearest) = near.min_by_key(|(distance, _)| *distance)?;
    if least <= (nearest.chars().count() / 3).max(1) {
        return Some(nearest);
    }
    let mut matches = known.into_iter().filter(|known| word.len() >= PREFIX_MIN && known.starts_with(&word));
    matches.next().filter(|_| matches.next().is_none())
}
