//! Small programs for the pods of a mesh that a real Istio drives (`cargo xtask istio`).
//!
//! In: a command line, as the container of a pod has it. Out: an application that serves, or traffic and one JSON object of
//! what came of it. Always: names are resolved as in the pod; nothing is known of any proxy; time, parallelism and sizes
//! are bounded.

mod certify;
mod connect;
mod load;
mod serve;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// What a pod runs.
#[derive(Debug, Subcommand)]
pub enum Pod {
    /// An application: HTTP that does what the path says, and TCP that gives back what it gets.
    Serve(serve::Arguments),
    /// HTTP requests at a steady rate, counted by what came back.
    Load(load::Arguments),
    /// TCP connections that send bytes and want them back.
    Connect(connect::Arguments),
    /// A certificate authority and one certificate for a server.
    Certify(certify::Arguments),
}

/// Runs it.
///
/// # Errors
/// When an address is taken, or a file cannot be written.
pub async fn run(pod: Pod) -> Result<ExitCode> {
    match pod {
        Pod::Serve(arguments) => serve::run(arguments).await,
        Pod::Load(arguments) => load::run(arguments).await,
        Pod::Connect(arguments) => connect::run(arguments).await,
        Pod::Certify(arguments) => certify::run(&arguments),
    }
}
