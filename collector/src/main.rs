//! The program `hopscope`.

use clap::Parser;
use hopscope::cli::Cli;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "hopscope: {error:#}");
            ExitCode::from(2)
        }
    }
}
