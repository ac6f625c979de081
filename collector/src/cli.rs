//! The commands of the program.
//!
//! In: the command line. Out: a running collector, or an answer on standard output. Always holds: answers go to standard
//! output and everything else to standard error; `--json` gives one JSON document.

mod audit;
mod calls;
mod client;
mod config;
mod edges;
mod explain;
mod failure;
mod hops;
mod instances;
mod in_flight;
mod schema;
mod serve;
mod show;
mod table;
mod tail;
mod validate;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Network telemetry for service meshes that says what is wrong.
///
/// `serve` is the collector that the filters in the sidecars report to. The other commands ask a running one.
#[derive(Debug, Parser)]
#[command(name = "hopscope", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the collector.
    #[command(
        after_help = "Options overrule the environment, that the file, that the defaults. SIGHUP, or a change of \
                            the file, reloads.\nThe log level is set by RUST_LOG, such as RUST_LOG=hopscope=debug."
    )]
    Serve(config::Settings),
    /// Show the settings that `serve` would use with the same file, environment and options.
    #[command(
        after_help = "Examples:\n  hopscope config > hopscope.yaml\n  hopscope config --config hopscope.yaml \
                            --origins\n  hopscope config --docs"
    )]
    Config(config::Arguments),
    /// Check a configuration file. Exit code 1 when something is wrong with it.
    Validate(validate::Arguments),
    /// EdgeFingerprint the JSON Schema of the configuration file.
    #[command(
        after_help = "Example:\n  hopscope schema > hopscope.schema.json\n  # and on top of the file, for \
                            editors: \n  # yaml-language-server: $schema=hopscope.schema.json"
    )]
    Schema,
    /// Show who calls whom, how fast, and how it ends, as both sides tell it.
    #[command(after_help = "Examples:\n  hopscope edges --to payments\n  hopscope edges --failed\n  \
                            hopscope edges --json | jq '.edges[] | select(.response_flags != \"-\")'")]
    Edges(edges::Arguments),
    /// Show what both sides of each hop say together: verdicts, and how much longer the caller waited than the called side
    /// worked.
    #[command(
        after_help = "Examples:\n  hopscope hops --to payments\n  hopscope hops --verdict request_lost\n  \
                            hopscope hops --verdict disagreement\n  hopscope hops --json | jq '.hops[].matrix'"
    )]
    Hops(hops::Arguments),
    /// Show each called instance of an edge beside the others, in the last minute: one pod of five that fails.
    #[command(after_help = "Examples:\n  hopscope instances --to payments\n  hopscope instances --worse\n  \
                            hopscope instances --json | jq '.instances[] | select(.failed_share > 0.1)'")]
    Instances(instances::Arguments),
    /// Show requests that have begun and not ended: those that do not end with their destination, oldest first.
    #[command(after_help = "Examples:\n  hopscope in-flight\n  hopscope in-flight --to payments\n  \
                            hopscope in-flight --json | jq '.proxies[] | select(.open_long > 0)'")]
    InFlight(in_flight::Arguments),
    /// Follow the last failed requests and connections, each in full.
    #[command(after_help = "Examples:\n  hopscope tail\n  hopscope tail --service payments --flag UF\n  \
                            hopscope tail --json | jq .code_details")]
    Tail(tail::Arguments),
    /// Show all that is kept of one failed request, from both sides, in the order of time. Exit code 1 when nothing is.
    #[command(after_help = "Examples:\n  hopscope show 0f6f1b4e-2222-9333-8444-555566667777\n  \
                            hopscope show --hash 0d2cb82b")]
    Show(show::Arguments),
    /// Show the books per proxy: seen = delivered + folded + dropped + in flight. Exit code 1 when they do not add up.
    Audit(audit::Arguments),
    /// Explain Envoy's response flags: what happened, whose fault it is, what to check first.
    #[command(after_help = "Examples:\n  hopscope explain UC\n  hopscope explain UF,URX\n  hopscope explain")]
    Explain(explain::Arguments),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// Whatever kept it from an answer.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(settings) => serve::run(settings).await,
            Command::Config(arguments) => config::run(arguments),
            Command::Validate(arguments) => validate::run(arguments),
            Command::Schema => schema::run(),
            Command::Edges(arguments) => edges::run(arguments).await,
            Command::Hops(arguments) => hops::run(arguments).await,
            Command::Instances(arguments) => instances::run(arguments).await,
            Command::InFlight(arguments) => in_flight::run(arguments).await,
            Command::Tail(arguments) => tail::run(arguments).await,
            Command::Show(arguments) => show::run(arguments).await,
            Command::Audit(arguments) => audit::run(arguments).await,
            Command::Explain(arguments) => explain::run(&arguments),
        }
    }
}

/// Writes an answer. Whoever closed standard output (`| head`) does not want the rest.
fn answer(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
