//! What is wrong with a configuration, where, and what was probably meant.
//!
//! In: a place and a text. Out: one line for people, one object for machines. Always holds: a problem says where it is;
//! nothing that is secret is repeated.

use serde_json::json;
use std::fmt;

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file, as it was named; line and column count from 1.
    File {
        /// Its name.
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
    /// Nowhere: a default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Variable(name) => f.write_str(name),
            Self::Option(name) => write!(f, "--{name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Of which setting or section, such as `aggregate.series_max`; empty for the file as a whole.
    pub key: String,
    /// What.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Problem {
    /// The problem as an object.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let mut object = json!({"key": self.key, "message": self.message, "suggestion": self.suggestion});
        let place = match &self.place {
            Place::File { file, line, column } => json!({"file": file, "line": line, "column": column}),
            Place::Variable(name) => json!({"variable": name}),
            Place::Option(name) => json!({"option": name}),
            Place::Default => json!({}),
        };
        if let (Some(object), serde_json::Value::Object(place)) = (object.as_object_mut(), place) {
            object.extend(place);
        }
        object
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{} ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(meant) => write!(f, "; did you mean {meant}?"),
            None => Ok(()),
        }
    }
}

/// A beginning that is shorter could be that of anything.
const BEGINNING_MIN: usize = 3;

/// Which of the known words was probably meant: the nearest one, when it is near enough, or the only one that begins so.
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
    let mut begin = known.into_iter().filter(|known| word.len() >= BEGINNING_MIN && known.starts_with(&word));
    begin.next().filter(|_| begin.next().is_none())
}
