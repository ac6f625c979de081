//! Progress messages on standard error.
//!
//! Invariant: colours only on a terminal, and not where `NO_COLOR` is set; standard output is for
//! results.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

/// Reports a step that begins.
pub fn step(text: &str) {
    line("36", "▸", text);
}

/// Writes a line between steps.
pub fn remark(text: &str) {
    line("36", " ", text);
}

/// Reports success.
pub fn done(text: &str) {
    line("32", "✓", text);
}

/// Reports a failure with its causes, outermost first.
pub fn failed(error: &anyhow::Error) {
    line("31", "✗", &format!("{error:#}"));
}

/// Whether standard error shows colours.
pub(crate) fn coloured() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn line(colour: &str, mark: &str, text: &str) {
    let mark = if coloured() { format!("\x1b[{colour}m{mark}\x1b[0m") } else { mark.to_owned() };
    // Without standard error there is no one to report to.
    writeln!(io::stderr(), "{mark} {text}").ok();
}
