//! Small programs for the pods of a mesh that a real Istio drives (`cargo xtask istio`).
//!
//! In: the command line of a container. Out: a running application, or traffic and its results as
//! one JSON object.
//! Invariant: names are resolved as in the pod; programs know of no proxy; time, parallelism and
//! sizes are bounded.

mod certify;
mod connect;
mod load;
mod serve;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Program of a pod.
#[derive(Debug, Subcommand)]
pub enum Pod {
    /// An application: HTTP with the behaviour in the path, and a TCP echo.
    Serve(serve::Arguments),
    /// HTTP requests at a steady rate, counted by answer.
    Load(load::Arguments),
    /// TCP connections to an echo.
    Connect(connect::Arguments),
    /// A certificate authority and one certificate for a server.
    Certify(certify::Arguments),
}

/// Runs a program.
///
/// # Errors
/// When an address is in use, or a file cannot be written.
pub async fn run(pod: Pod) -> Result<ExitCode> {
    match pod {
        Pod::Serve(arguments) => serve::run(arguments).await,
        Pod::Load(arguments) => load::run(arguments).await,
        Pod::Connect(arguments) => connect::run(arguments).await,
        Pod::Certify(arguments) => certify::run(&arguments),
    }
}
