//! The program `hopscope`.

use clap::Parser;
use hopscope::cli::Cli;
use hopscope::terminal::visible_lines;
use std::process::ExitCode;

/// Allocator: memory of batches is allocated on one thread and freed on another, a case that mimalloc is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            use std::io::Write;
            let text = visible_lines(&format!("{error:#}"));
            let _ = writeln!(std::io::stderr(), "hopscope: {text}");
            ExitCode::from(2)
        }
    }
}

/// Runs all servers on one thread, unless `TOKIO_WORKER_THREADS` asks for more: as long as one core keeps
/// up, passing calls between threads costs more than it gains. The journal writes, and answers are
/// rendered, on other threads.
fn run() -> anyhow::Result<ExitCode> {
    let arguments = Cli::parse();
    let threads = std::env::var("TOKIO_WORKER_THREADS").ok().and_then(|threads| threads.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.unwrap_or(1).max(1))
        .enable_all()
        .build()?;
    runtime.block_on(arguments.run())
}
