//! The values of a configuration, taken key by key.
//!
//! In: what the JSON held, and which parts of the mesh this proxy is in. Out: each value, held against its range. Always holds:
//! every complaint names the key, and the first one is the verdict; what is complained about has its default meanwhile.

use super::ADDRESS_PART_BYTES_MAX;
use super::json::Value;
use super::overrides;
use crate::text::format::{line, listed};

/// Values by the path of their key.
pub(super) struct SettingsReader {
    values: Vec<(String, Value)>,
    /// Prefixes of keys that outrank those without; the one that outranks the others last.
    parts: [String; 4],
    complaint: Option<String>,
}

impl SettingsReader {
    pub(super) fn new(values: Vec<(String, Value)>, parts: [String; 4]) -> Self {
        Self { values, parts, complaint: None }
    }

    /// What is wrong, if anything is.
    pub(super) fn verdict(self) -> Result<(), String> {
        self.complaint.map_or(Ok(()), Err)
    }

    pub(super) fn complain(&mut self, line: String) {
        self.complaint.get_or_insert(line);
    }

    /// Refuses what is not among `known` and not set for a part of the mesh.
    #[inline(never)]
    pub(super) fn check(&mut self, known: &[&str]) {
        let is_known = |path: &str| known.contains(&path) || overrides::is_override(path);
        if let Some((unknown, _)) = self.values.iter().find(|(path, _)| !is_known(path)) {
            let line = unknown_line(unknown, known);
            self.complain(line);
        }
    }

    /// Refuses what cannot be set for a part of the mesh.
    #[inline(never)]
    pub(super) fn check_parts(&mut self) {
        let parts = self.values.iter().filter(|(path, _)| overrides::is_override(path));
        let complaint = parts.filter_map(|(path, value)| overrides::complaint(path, value)).next();
        complaint.into_iter().for_each(|line| self.complain(line));
    }

    /// A whole number from one to another.
    #[inline(never)]
    pub(super) fn number(&mut self, path: &str, (least, most): (u64, u64), default: u64) -> u64 {
        match self.get(path) {
            None => default,
            Some(Value::Number(number)) if (least..=most).contains(number) => *number,
            Some(_) => {
                self.complain(line!("`", path, "` is not a whole number from ", least, " to ", most));
                default
            }
        }
    }

    /// As [`SettingsReader::number`], of things that are counted in memory.
    pub(super) fn count(&mut self, path: &str, range: (u64, u64), default: usize) -> usize {
        let number = self.number(path, range, u64::try_from(default).unwrap_or(u64::MAX));
        // No range reaches so far.
        usize::try_from(number).unwrap_or(default)
    }

    /// A text of 1 to [`ADDRESS_PART_BYTES_MAX`] bytes, all of them `allowed`; empty when it is missing.
    #[inline(never)]
    pub(super) fn text(&mut self, path: &str, allowed: fn(&u8) -> bool) -> String {
        let refused = match self.get(path) {
            None => return String::new(),
            Some(Value::Text(text)) => match refusal(text, allowed) {
                None => return text.clone(),
                Some(refused) => refused,
            },
            Some(_) => "` is not a text".to_owned(),
        };
        self.complain(line!("`", path, refused));
        String::new()
    }

    /// One of a few words; the first is the default.
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
            self.complain(line!("`", path, "` is none of ", listed(choices.iter().map(|(word, _)| *word))));
            *default
        })
    }

    #[inline(never)]
    fn get(&self, path: &str) -> Option<&Value> {
        let of_part = |part: &String| self.find(&line!(part, ".", path));
        self.parts.iter().rev().find_map(of_part).or_else(|| self.find(path))
    }

    #[inline(never)]
    fn find(&self, path: &str) -> Option<&Value> {
        self.values.iter().rev().find(|(known, _)| known == path).map(|(_, value)| value)
    }
}

/// FailureReason a text is none that is possible, as the rest of a line after its key.
#[inline(never)]
fn refusal(text: &str, allowed: fn(&u8) -> bool) -> Option<String> {
    if text.is_empty() || text.len() > ADDRESS_PART_BYTES_MAX {
        let length = text.len();
        return Some(line!("` has ", length, " bytes; 1 to ", ADDRESS_PART_BYTES_MAX, " are possible"));
    }
    let refused = text.chars().find(|c| !u8::try_from(*c).is_ok_and(|byte| allowed(&byte)))?;
    Some(line!("` holds '", refused, "', which is not allowed there"))
}

#[inline(never)]
fn unknown_line(unknown: &str, known: &[&str]) -> String {
    if known.iter().any(|known| known.split('.').next() == Some(unknown)) {
        return line!("`", unknown, "` is not an object");
    }
    let groups = known.iter().filter_map(|known| known.split_once('.')).map(|(group, _)| group);
    let advice = match known.iter().copied().chain(groups).find(|known| one_edit_apart(known, unknown)) {
        Some(near) => line!("did you mean `", near, "`?"),
        None => line!("possible are ", listed(known.iter().copied())),
    };
    line!("`", unknown, "` is not known; ", advice)
}

/// Whether one letter more, less or other makes `b` of `a`.
fn one_edit_apart(a: &str, b: &str) -> bool {
    let same_head = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let same_tail = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
    let longer = a.len().max(b.len());
    a.len().abs_diff(b.len()) <= 1 && same_head.saturating_add(same_tail).saturating_add(1) >= longer
}
