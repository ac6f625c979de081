//! The last lines of a log, for error messages.

use std::fs;
use std::path::Path;

/// Lines of a log in an error message.
const LINES: usize = 12;

/// Returns the last lines of a log; empty without a log.
pub(crate) fn read(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
}
