//! The program `hopscope`.

use clap::Parser;
use hopscope::cli::Cli;
use std::process::ExitCode;

/// Batches come on one thread, and what they leave behind goes on another: it is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "hopscope: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// One thread for all doors, unless `TOKIO_WORKER_THREADS` asks for more: threads that hand calls to each other cost more
/// than they bring as long as one core keeps up. The journal writes, and `/metrics` is rendered, on others anyway.
fn run() -> anyhow::Result<ExitCode> {
    let arguments = Cli::parse();
    let threads = std::env::var("TOKIO_WORKER_THREADS").ok().and_then(|threads| threads.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.unwrap_or(1).max(1))
        .enable_all()
        .build()?;
    runtime.block_on(arguments.run())
}
