//! `hopscope-mesh`: the local mesh from the command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hopscope_mesh::{demo, pod, progress, validate};

/// A small Istio-shaped mesh of real Envoys on loopback, with faults from their real causes.
///
/// A gateway, shop, two versions of payments and a database, each with an Envoy as a sidecar,
/// configured as istiod would. Requests with the header `x-fault: <NAME>` cause what Envoy then
/// flags: NR, NC, UH, UO, UT, UF, URX, DC, UC, and DISAGREE, RESCUED, CUT and SEVERED, which only
/// both sides of a hop together show.
///
/// `cargo xtask demo` installs and builds the programs and runs the demo.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the mesh, send traffic with faults, show Hopscope's view.
    ///
    /// A table on standard error shows each edge as both of its sides report it. At the end,
    /// standard output has the table and the ledger of each proxy, or with --json one object:
    /// {"edges": [...], "proxies": [...], "faults": {...}}. The first Ctrl-C ends the traffic, the
    /// second ends the demo; both remove all files and processes. The exit code is 0 when the
    /// ledger balances: each request that an Envoy completed is in the collector's ledger.
    #[command(
        after_help = "Example:\n  hopscope-mesh demo --envoy envoy --module target/hopscope_filter.wasm \\\n    \
                            --collector target/debug/hopscope --seconds 30 --faults UT,UF,DC --json"
    )]
    Demo(demo::Arguments),
    /// Let Envoy validate the bootstrap of every workload without running it.
    Validate(validate::Arguments),
    /// Programs of the pods of `cargo xtask istio`.
    #[command(subcommand, hide = true)]
    Pod(pod::Pod),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Validate(arguments) => validate::run(arguments),
        Command::Pod(pod) => pod::run(pod).await,
    };
    outcome.unwrap_or_else(|error| {
        progress::failed(&error);
        ExitCode::FAILURE
    })
}
