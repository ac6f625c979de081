//! `hopscope-mesh demo`: the whole product on real Envoys.
//!
//! In: an Envoy, the filter, the collector. Out: a live table on standard error, and at the end the
//! table or one JSON object on standard output.
//! Invariant: at the end of the demo, all its processes are stopped and its files removed.

mod edge;
mod signals;
mod live;
mod outcome;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::time::{self, Instant};

use crate::fault::Fault;
use crate::mesh::{Mesh, MeshOptions};
use crate::progress;
use crate::traffic::{Mix, Tally, steady};
use live::Live;
use outcome::Outcome;
use signals::SignalHandler;

/// Longest wait for the last reports.
const BALANCED_WITHIN: Duration = Duration::from_secs(20);

/// Arguments of the demo.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Envoy of every workload.
    #[arg(long, value_name = "PATH", env = "HOPSCOPE_ENVOY")]
    envoy: PathBuf,
    /// The filter (`hopscope_filter.wasm`).
    #[arg(long, value_name = "PATH", env = "HOPSCOPE_MODULE")]
    module: PathBuf,
    /// The collector (hopscope).
    #[arg(long, value_name = "PATH", env = "HOPSCOPE_COLLECTOR")]
    collector: PathBuf,
    /// Stop after this many seconds of traffic; without it, run until Ctrl-C.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// At the end print one JSON object on standard output: edges, proxies, faults.
    #[arg(long)]
    json: bool,
    /// Requests per second to the gateway.
    #[arg(long, value_name = "R", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=2000))]
    rate: u32,
    /// Faults by name; they take turns.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_values_t = Fault::ALL)]
    faults: Vec<Fault>,
    /// Percentage of requests with faults.
    #[arg(long, value_name = "P", default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=100))]
    fault_percent: u8,
    /// Worker threads of each Envoy.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
    /// Keep the folder with bootstraps and logs.
    #[arg(long)]
    keep: bool,
}

/// Runs the demo.
///
/// # Errors
/// When something does not start, or the collector does not answer.
pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let signals = SignalHandler::listen()?;
    tokio::select! {
        outcome = show(arguments, &signals) => outcome,
        code = signals.terminated() => {
            progress::remark("stopped; all files are removed");
            Ok(code)
        }
    }
}

async fn show(arguments: Arguments, signals: &SignalHandler) -> Result<ExitCode> {
    let options = MeshOptions {
        concurrency: arguments.concurrency,
        keep_folder: arguments.keep,
        ..MeshOptions::observed(&arguments.envoy, &arguments.module, &arguments.collector)
    };
    let mesh = Mesh::start_with_progress(options, &mut progress::step).await?;
    introduce(&mesh, &arguments)?;

    let tally = Arc::new(Mutex::new(Tally::default()));
    let start = Instant::now();
    tokio::select! {
        () = send(&mesh, &arguments, &tally, signals) => {}
        never = Live::new(mesh.collector()?).run() => match never {},
    }
    let sent_for = start.elapsed();
    progress::step("waiting for the last reports");
    let balanced = mesh.balanced(BALANCED_WITHIN).await;
    let tally = std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner));
    let (proxies, unbalanced) = match balanced {
        Ok(rows) => (rows, None),
        Err(error) => (mesh.accounting().await?, Some(error)),
    };
    let outcome = Outcome { edges: mesh.collector()?.edges().await?, proxies, tally, sent_for };
    outcome.print(arguments.json)?;
    mesh.stop().await?;
    Ok(match unbalanced {
        None => ExitCode::SUCCESS,
        Some(error) => {
            progress::failed(&error);
            ExitCode::FAILURE
        }
    })
}

async fn send(mesh: &Mesh, arguments: &Arguments, tally: &Arc<Mutex<Tally>>, signals: &SignalHandler) {
    let mix =
        Mix { fault_share: f64::from(arguments.fault_percent) / 100.0, faults: arguments.faults.clone() };
    let end = async {
        tokio::select! {
            () = signals.stop_requested() => {}
            () = time::sleep(arguments.seconds.map_or(Duration::MAX, Duration::from_secs)) => {}
        }
    };
    steady(&mesh.client(), f64::from(arguments.rate), &mix, tally, end).await;
}

fn introduce(mesh: &Mesh, arguments: &Arguments) -> Result<()> {
    let collector = mesh.collector()?.http();
    progress::done(&format!("the mesh is ready: {} requests per second to the gateway", arguments.rate));
    progress::remark(&format!("metrics             curl http://{collector}/metrics"));
    progress::remark(&format!("cause a fault       curl -H 'x-fault: UF' http://{}/buy", mesh.gateway()?));
    if arguments.keep {
        progress::remark(&format!("bootstraps, logs    {}", mesh.folder().display()));
    }
    let end = arguments
        .seconds
        .map_or("Ctrl-C ends the demo".to_owned(), |seconds| format!("the demo ends in {seconds} s"));
    progress::remark(&end);
    Ok(())
}
