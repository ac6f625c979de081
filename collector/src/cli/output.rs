//! Answers of the commands on standard output.
//!
//! Invariant: answers are written to standard output and everything else to standard error. Output
//! to a pipe or a file contains no escape sequences.

use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Form of the answer.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Output {
    /// Write one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

impl Output {
    /// Writes a document, as JSON or as text.
    pub(super) fn write<T: Serialize>(
        self,
        document: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            write(&format!("{}\n", serde_json::to_string_pretty(document)?));
        } else {
            write(&text(document));
        }
        Ok(())
    }
}

/// Writes text. An error means that the reader has closed the pipe (`| head`), and is ignored.
pub(super) fn write(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Returns whether to write colours: only to a terminal, and only without the variable `NO_COLOR`.
pub(super) fn has_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
