//! Answers of the commands on standard output.
//!
//! Invariant: answers are written to standard output and everything else to standard error. Output
//! to a pipe or a file contains no escape sequences, and no output contains those of others. A
//! reader that has closed the pipe is no error; any other failed write is one.

use crate::terminal::visible_json;
use anyhow::Context;
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};

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
            write(&format!("{}\n", visible_json(&serde_json::to_string_pretty(document)?)))
        } else {
            write(&text(document))
        }
    }
}

/// Writes text whose escape sequences are our own.
///
/// # Errors
///
/// When standard output cannot be written, such as on a full disk.
pub(super) fn write(text: &str) -> anyhow::Result<()> {
    write_to(&mut std::io::stdout(), text).map(drop)
}

/// Writes text. Returns whether the output is still open.
///
/// # Errors
///
/// As [`write()`].
pub(super) fn write_to(out: &mut impl Write, text: &str) -> anyhow::Result<bool> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        // `hopscope edges | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("failed to write to standard output"),
    }
}

/// Returns whether to write colours: only to a terminal, and only without the variable `NO_COLOR`.
pub(super) fn has_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

#[cfg(test)]
mod tests {
    use super::write_to;
    use std::io::{Error, ErrorKind, Write};

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(Error::from(self.0))
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_an_error_and_a_closed_pipe_is_none() {
        assert!(write_to(&mut Vec::new(), "x").unwrap());
        assert!(!write_to(&mut Broken(ErrorKind::BrokenPipe), "x").unwrap());
        assert!(write_to(&mut Broken(ErrorKind::StorageFull), "x").is_err());
    }
}
