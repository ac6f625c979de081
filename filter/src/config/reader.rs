//! Typed and validated access to the values of a configuration.
//!
//! In: the values of the JSON document, and the overrides that apply to this proxy. Out: each
//! value, validated against its range.
//! Invariant: every error names its key, and the first error is the one that is returned. A
//! rejected value reads as its default until then.

use super::json::Value;
use crate::text::format::{line, listed};

/// The longest cluster name and authority that fit the address of a report, bytes.
pub const ADDRESS_PART_BYTES_MAX: usize = 125;

/// Values by the dotted path of their key.
pub(super) struct SettingsReader {
    values: Vec<(String, Value)>,
    /// Prefixes of overrides that apply to this proxy, in ascending precedence.
    override_prefixes: [String; 4],
    error: Option<String>,
}

impl SettingsReader {
    pub(super) fn new(values: Vec<(String, Value)>, override_prefixes: [String; 4]) -> Self {
        Self { values, override_prefixes, error: None }
    }

    /// Returns the first error, if there is one.
    pub(super) fn finish(self) -> Result<(), String> {
        self.error.map_or(Ok(()), Err)
    }

    /// Records an error, unless there is one already.
    pub(super) fn reject(&mut self, error: String) {
        self.error.get_or_insert(error);
    }

    /// Returns all values with their paths.
    pub(super) fn values(&self) -> &[(String, Value)] {
        &self.values
    }

    /// Reads a whole number of an inclusive range.
    #[inline(never)]
    pub(super) fn number(&mut self, path: &str, (least, most): (u64, u64), default: u64) -> u64 {
        match self.get(path) {
            None => default,
            Some(Value::Number(number)) if (least..=most).contains(number) => *number,
            Some(_) => {
                self.reject(line!("`", path, "` is not a whole number from ", least, " to ", most));
                default
            }
        }
    }

    /// Reads a whole number as a `usize`.
    pub(super) fn count(&mut self, path: &str, range: (u64, u64), default: usize) -> usize {
        let number = self.number(path, range, u64::try_from(default).unwrap_or(u64::MAX));
        // Every range fits 32 bits.
        usize::try_from(number).unwrap_or(default)
    }

    /// Reads a text of 1 to [`ADDRESS_PART_BYTES_MAX`] bytes, all of them `allowed`; empty when the
    /// key is missing.
    #[inline(never)]
    pub(super) fn text(&mut self, path: &str, allowed: fn(&u8) -> bool) -> String {
        let error = match self.get(path) {
            None => return String::new(),
            Some(Value::Text(text)) => match text_error(text, allowed) {
                None => return text.clone(),
                Some(error) => error,
            },
            Some(_) => "` is not a text".to_owned(),
        };
        self.reject(line!("`", path, error));
        String::new()
    }

    /// Reads one of three words; the first one is the default.
    #[inline(never)]
    pub(super) fn choice<T: Copy>(&mut self, path: &str, choices: &[(&str, T); 3]) -> T {
        let [(_, default), ..] = choices;
        let word = match self.get(path) {
            None => return *default,
            Some(Value::Text(word)) => word.as_str(),
            Some(_) => "",
        };
        let chosen = choices.iter().find(|(known, _)| *known == word).map(|(_, choice)| *choice);
        chosen.unwrap_or_else(|| {
            let words = listed(choices.iter().map(|(word, _)| *word));
            self.reject(line!("`", path, "` is not one of ", words));
            *default
        })
    }

    #[inline(never)]
    fn get(&self, path: &str) -> Option<&Value> {
        let overridden = |prefix: &String| self.find(&line!(prefix, ".", path));
        self.override_prefixes.iter().rev().find_map(overridden).or_else(|| self.find(path))
    }

    #[inline(never)]
    fn find(&self, path: &str) -> Option<&Value> {
        self.values.iter().rev().find(|(known, _)| known == path).map(|(_, value)| value)
    }
}

/// Returns the error of a text, as the rest of a line after its key.
#[inline(never)]
fn text_error(text: &str, allowed: fn(&u8) -> bool) -> Option<String> {
    if text.is_empty() || text.len() > ADDRESS_PART_BYTES_MAX {
        let length = text.len();
        return Some(line!("` has ", length, " bytes; 1 to ", ADDRESS_PART_BYTES_MAX, " are allowed"));
    }
    let rejected = text.chars().find(|c| !u8::try_from(*c).is_ok_and(|byte| allowed(&byte)))?;
    Some(line!("` contains '", rejected, "', which is not allowed there"))
}
