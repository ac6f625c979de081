//! The values of a configuration, taken key by key.
//!
//! In: what the JSON held. Out: each value, held against its range. Always holds: every complaint names the key.

use super::ADDRESS_PART_BYTES_MAX;
use super::json::Value;
use crate::line::{line, listed};
use std::ops::RangeInclusive;

/// Values by the path of their key.
pub(super) struct Keys(pub(super) Vec<(String, Value)>);

impl Keys {
    /// Refuses what is not among `known`.
    #[inline(never)]
    pub(super) fn check(&self, known: &[&str]) -> Result<(), String> {
        let Some((unknown, _)) = self.0.iter().find(|(path, _)| !known.contains(&path.as_str())) else {
            return Ok(());
        };
        if known.iter().any(|known| known.split('.').next() == Some(unknown)) {
            return Err(line!("`", unknown, "` is not an object"));
        }
        let groups = known.iter().filter_map(|known| known.split_once('.')).map(|(group, _)| group);
        let advice = match known.iter().copied().chain(groups).find(|known| one_edit_apart(known, unknown)) {
            Some(near) => line!("did you mean `", near, "`?"),
            None => line!("possible are ", listed(known.iter().copied())),
        };
        Err(line!("`", unknown, "` is not known; ", advice))
    }

    /// A whole number within `range`.
    pub(super) fn number(&self, path: &str, range: RangeInclusive<u64>, default: u64) -> Result<u64, String> {
        match self.get(path) {
            None => Ok(default),
            Some(Value::Number(number)) if range.contains(number) => Ok(*number),
            Some(_) => {
                Err(line!("`", path, "` is not a whole number from ", range.start(), " to ", range.end()))
            }
        }
    }

    /// As [`Keys::number`], of things that are counted in memory.
    pub(super) fn count(
        &self,
        path: &str,
        range: RangeInclusive<u64>,
        default: usize,
    ) -> Result<usize, String> {
        let default = u64::try_from(default).unwrap_or(u64::MAX);
        let number = self.number(path, range, default)?;
        usize::try_from(number).map_err(|_| line!("`", path, "` is too large"))
    }

    /// A text of 1 to [`ADDRESS_PART_BYTES_MAX`] bytes, all of them `allowed`; `None` when it is missing.
    pub(super) fn text(&self, path: &str, allowed: fn(&u8) -> bool) -> Result<Option<String>, String> {
        let text = match self.get(path) {
            None => return Ok(None),
            Some(Value::Text(text)) => text,
            Some(_) => return Err(line!("`", path, "` is not a text")),
        };
        if text.is_empty() || text.len() > ADDRESS_PART_BYTES_MAX {
            let length = text.len();
            return Err(line!(
                "`",
                path,
                "` has ",
                length,
                " bytes; 1 to ",
                ADDRESS_PART_BYTES_MAX,
                " are possible"
            ));
        }
        match text.chars().find(|c| !u8::try_from(*c).is_ok_and(|byte| allowed(&byte))) {
            Some(c) => Err(line!("`", path, "` holds '", c, "', which is not allowed there")),
            None => Ok(Some(text.clone())),
        }
    }

    /// One of a few words; the first is the default.
    #[inline(never)]
    pub(super) fn choice<T: Copy>(&self, path: &str, choices: &[(&str, T); 3]) -> Result<T, String> {
        let [(_, default), ..] = choices;
        let word = match self.get(path) {
            None => return Ok(*default),
            Some(Value::Text(word)) => word.as_str(),
            Some(_) => "",
        };
        let chosen = choices.iter().find(|(known, _)| *known == word).map(|(_, choice)| *choice);
        chosen.ok_or_else(|| line!("`", path, "` is none of ", listed(choices.iter().map(|(word, _)| *word))))
    }

    fn get(&self, path: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(known, _)| known == path).map(|(_, value)| value)
    }
}

/// Whether one letter more, less or other makes `b` of `a`.
fn one_edit_apart(a: &str, b: &str) -> bool {
    let same_head = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let same_tail = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
    let longer = a.len().max(b.len());
    a.len().abs_diff(b.len()) <= 1 && same_head.saturating_add(same_tail).saturating_add(1) >= longer
}
