//! Results of a benchmark.

use serde::Serialize;
use std::io::Write;

/// Writes figures as JSON: to standard output, or for people to standard error.
pub(crate) fn figures(figures: &impl Serialize, json: bool) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(figures)?;
    if json {
        let _ = writeln!(std::io::stdout(), "{text}");
    } else {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
    Ok(())
}
