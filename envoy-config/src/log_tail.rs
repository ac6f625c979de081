//! What a program said last.
//!
//! In: its log. Out: the end of it, for an error message.
//! Always: never an error of its own.

use std::fs;
use std::path::Path;

/// How much of a log an error shows.
const LINES: usize = 12;

/// The last lines of a log; empty when there is none.
pub(crate) fn of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
}
