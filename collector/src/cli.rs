//! Commands of the program `hopscope`.
//!
//! In: the command line. Out: a running collector, or an answer on standard output.
//! Invariant: answers are on standard output and everything else is on standard error. `--json`
//! writes one JSON document; `hopscope tail --json` writes one per line.

mod audit;
mod client;
mod config;
mod edge_filter;
mod edges;
mod explain;
mod failure;
mod hops;
mod in_flight;
mod instances;
mod list;
mod output;
mod schema;
mod serve;
mod show;
mod table;
mod tail;
mod validate;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Network telemetry for service meshes: finds the hop, the version and the cause of a failure.
///
/// `hopscope serve` runs the collector, to which the filters in the sidecars report. The other
/// commands ask a running collector, or work without one: config, validate, schema, explain.
#[derive(Debug, Parser)]
#[command(
    name = "hopscope",
    version,
    max_term_width = 100,
    after_help = "First steps in an incident:\n  \
                  hopscope edges --failed        # edges with failures, as each side reports them\n  \
                  hopscope hops --to payments    # what both sides of each hop say together\n  \
                  hopscope instances --worse     # single instances that fail more than the others\n  \
                  hopscope tail --flag UF        # the latest failures in full, live\n  \
                  hopscope explain UF            # meaning of a response flag\n\n\
                  Set the collector's address with --collector or HOPSCOPE_COLLECTOR."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the collector.
    #[command(
        after_help = "Precedence, highest first: command line, environment, file, defaults. The collector reloads \
                      on SIGHUP and on a change of the file.\nRUST_LOG sets the log level, such as \
                      RUST_LOG=hopscope=debug.\n\nExamples:\n  hopscope serve\n  hopscope serve --config \
                      hopscope.yaml\n  hopscope serve --data-dir /var/lib/hopscope"
    )]
    Serve(config::Settings),
    /// Show the settings that `serve` would use with the same file, environment and options.
    #[command(
        after_help = "Examples:\n  hopscope config > hopscope.yaml\n  hopscope config --config hopscope.yaml \
                      --origins\n  hopscope config --docs"
    )]
    Config(config::Arguments),
    /// Check a configuration file. The exit code is 1 when the file has errors.
    #[command(
        after_help = "Examples:\n  hopscope validate hopscope.yaml\n  hopscope validate - < hopscope.yaml\n  \
                            hopscope validate hopscope.yaml --json | jq '.problems[]'"
    )]
    Validate(validate::Arguments),
    /// Print the JSON Schema of the configuration file.
    #[command(
        after_help = "Example:\n  hopscope schema > hopscope.schema.json\n  # For editors, as the first line of \
                      the file:\n  # yaml-language-server: $schema=hopscope.schema.json"
    )]
    Schema,
    /// Show requests and connections by edge and result: counts and latencies, as each side reports
    /// them.
    #[command(
        after_help = "Examples:\n  hopscope edges --to payments\n  hopscope edges --failed --reporter source\n  \
                            hopscope edges --json | jq '.edges[] | select(.response_flags != \"-\")'"
    )]
    Edges(edges::Arguments),
    /// Show the verdicts on the hops: what both sides of each request say together, and the gap
    /// between their durations.
    #[command(
        after_help = "The gap is the duration at the source minus the duration at the destination: network, TLS \
                      and queues.\n\nExamples:\n  hopscope hops --to payments\n  hopscope hops --verdict \
                      request_lost\n  hopscope hops --verdict disagreement\n  hopscope hops --json | jq \
                      '.hops[].matrix'"
    )]
    Hops(hops::Arguments),
    /// Show each destination instance beside the other instances of its edge, over the last minute.
    #[command(after_help = "Examples:\n  hopscope instances --to payments\n  hopscope instances --worse\n  \
                            hopscope instances --json | jq '.instances[] | select(.failed_share > 0.1)'")]
    Instances(instances::Arguments),
    /// Show requests in flight by proxy, and long-running requests with their destination, oldest
    /// first.
    #[command(after_help = "Examples:\n  hopscope in-flight\n  hopscope in-flight --to payments\n  \
                            hopscope in-flight --json | jq '.proxies[] | select(.in_flight_long > 0)'")]
    InFlight(edge_filter::EdgeQuery),
    /// Show the latest failed requests and connections in full, and follow new ones.
    #[command(
        after_help = "Examples:\n  hopscope tail\n  hopscope tail -n 100 --no-follow\n  hopscope tail --service \
                            payments --flag UF\n  hopscope tail --json | jq .code_details"
    )]
    Tail(tail::Arguments),
    /// Show the stored failures of one request, from both sides, in order of time. The exit code is
    /// 1 when none is stored.
    #[command(after_help = "Examples:\n  hopscope show 0f6f1b4e-2222-9333-8444-555566667777\n  \
                            hopscope show --hash 0d2cb82b")]
    Show(show::Arguments),
    /// Show the ledger by proxy: seen = delivered + folded + dropped + missing + in flight. The
    /// exit code is 1 when requests are missing or unaccounted for.
    #[command(after_help = "Examples:\n  hopscope audit\n  hopscope audit --since 1h\n  \
                            hopscope audit --json | jq '.proxies[] | select(.state == \"not_reporting\")'")]
    Audit(audit::Arguments),
    /// Explain response flags of Envoy: meaning, fault, and the first thing to check.
    #[command(after_help = "Examples:\n  hopscope explain UC\n  hopscope explain UF,URX\n  hopscope explain")]
    Explain(explain::Arguments),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the command cannot give its answer. The text says why.
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

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
