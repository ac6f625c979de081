//! Progress of a task: one line when a step begins, one more when it took long.
//!
//! Out: lines on standard error, coloured only on a terminal and not where `NO_COLOR` is set.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The duration from which a step gets a second line.
const LONG_STEP: Duration = Duration::from_secs(2);

/// Runs one step of a task; an error names the step.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    line("36", "▸", name);
    let start = Instant::now();
    let result = work().map_err(|error| error.context(format!("failed to finish: {name}")))?;
    if start.elapsed() > LONG_STEP {
        line("32", "✓", &format!("{name} ({} s)", start.elapsed().as_secs()));
    }
    Ok(result)
}

/// Prints a remark between steps.
pub(crate) fn remark(text: &str) {
    line("36", " ", text);
}

/// Prints a condition that fails nothing and should not stay.
pub(crate) fn warning(text: &str) {
    line("33", "!", text);
}

/// Prints the last line of a successful task.
pub(crate) fn done(text: &str) {
    line("32", "✓", text);
}

/// Prints the causes of a failure, outermost first.
pub(crate) fn failed(error: &anyhow::Error) {
    line("31", "✗", &format!("{error:#}"));
}

/// Prints an answer for machines, the only output on standard output.
pub(crate) fn answer(text: &str) {
    // A closed standard output is no failure: the reader does not want the answer.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn line(colour: &str, mark: &str, text: &str) {
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mark = if coloured { format!("\x1b[{colour}m{mark}\x1b[0m") } else { mark.to_owned() };
    let _ = writeln!(std::io::stderr(), "{mark} {text}");
}
