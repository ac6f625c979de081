//! The error text for a key that is not a setting.

use crate::text::format::{line, listed};

/// Returns the error for an unknown key: the nearest known key where one is a typing error away,
/// else all known keys.
#[inline(never)]
pub(super) fn error(unknown: &str, known: &[&str]) -> String {
    if known.iter().any(|known| known.split('.').next() == Some(unknown)) {
        return line!("`", unknown, "` is not an object");
    }
    let groups = known.iter().filter_map(|known| known.split_once('.')).map(|(group, _)| group);
    let advice = match known.iter().copied().chain(groups).find(|known| one_edit_apart(known, unknown)) {
        Some(near) => line!("did you mean `", near, "`?"),
        None => line!("valid keys are ", listed(known.iter().copied())),
    };
    line!("`", unknown, "` is not known; ", advice)
}

/// Returns whether one inserted, deleted or replaced letter makes `b` of `a`.
fn one_edit_apart(a: &str, b: &str) -> bool {
    let same_head = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let same_tail = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
    let longer = a.len().max(b.len());
    a.len().abs_diff(b.len()) <= 1 && same_head.saturating_add(same_tail).saturating_add(1) >= longer
}
