//! What a person sees while the mesh works.
//!
//! In: steps and failures. Out: lines on standard error.
//! Always: coloured only on a terminal, and not where `NO_COLOR` is set; standard output is left to answers.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

/// A step that begins.
pub fn step(text: &str) {
    line("36", "▸", text);
}

/// A remark between steps.
pub fn remark(text: &str) {
    line("36", " ", text);
}

/// A step that went well.
pub fn done(text: &str) {
    line("32", "✓", text);
}

/// The causes of a failure, outermost first.
pub fn failed(error: &anyhow::Error) {
    line("31", "✗", &format!("{error:#}"));
}

/// Whether standard error takes colours.
pub(crate) fn coloured() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn line(colour: &str, mark: &str, text: &str) {
    let mark = if coloured() { format!("\x1b[{colour}m{mark}\x1b[0m") } else { mark.to_owned() };
    // Whoever closed standard error does not want to know.
    writeln!(io::stderr(), "{mark} {text}").ok();
}
