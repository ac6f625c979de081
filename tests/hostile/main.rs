//! Hostile and clumsy clients beside a good one, with real sockets and a collector in a process of
//! its own.
//!
//! In: the program in `HOPSCOPE_COLLECTOR`. Out: a table (`--json`: one JSON document) with the
//! latency and the refusals of the good client, the memory of the collector and the time of
//! `/healthz`, one row for each attack. Invariant: every attack has a new collector with default
//! limits, is bounded in time and sockets, and ends with its collector. The latency of a batch
//! counts from the time at which it was due.
//!
//! Without `--all` a short selection runs, whose limits allow for an unoptimised collector.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a harness fails loudly, as its tests do")]

mod attack;
mod attacks;
mod batches;
mod collector;
mod good_client;
mod row;
mod run;
mod wire;

use attack::Attack;
use run::Limits;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let (all, json) = (has("--all"), has("--json"));
    // `cargo test NAME` passes the name of a test to every binary, and `--test-threads` its value.
    let name =
        arguments.iter().find(|argument| !argument.starts_with('-') && argument.parse::<u32>().is_err());
    let is_wanted = |attack: &Attack| match name {
        Some(name) => attack.name.contains(name.as_str()),
        None => all || attack.is_quick,
    };
    let limits = if all { Limits::OPTIMISED } else { Limits::UNOPTIMISED };
    let attacks: Vec<&Attack> = attacks::ALL.iter().filter(|attack| is_wanted(attack)).collect();
    let mut rows = Vec::new();
    for attack in &attacks {
        rows.push(run::run(attack, &limits));
        say(&mut std::io::stderr(), &format!("{}\n", rows.last().unwrap().progress()));
    }
    let text = if json { row::json(&rows) } else { row::table(&rows) };
    say(&mut std::io::stdout(), &text);
    let failed: Vec<String> = rows.iter().flat_map(|row| row.violations(&limits)).collect();
    for violation in &failed {
        say(&mut std::io::stderr(), &format!("{violation}\n"));
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(to: &mut impl Write, text: &str) {
    // The reader may be gone; the exit code says the result.
    let _ = to.write_all(text.as_bytes());
}
