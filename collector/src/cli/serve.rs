//! `hopscope serve`.

use super::config::Settings;
use super::output::has_colour;
use crate::runtime::config_watch::{self, Watch};
use crate::runtime::server::Server;
use anyhow::Context;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Number of the signal for a write beyond the limit on file sizes.
const SIGXFSZ: i32 = rustix::process::Signal::XFSZ.as_raw();

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let watch = Watch::new(settings.source());
    let loaded = watch.source().load().context("failed to configure")?;
    log();
    config_watch::warn(&loaded.warnings);
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let hangup = signal(SignalKind::hangup()).context("failed to listen for SIGHUP")?;
    // A write beyond the limit on file sizes fails, as on a full disk; without a handler the signal
    // ends the process.
    let _beyond_file_size = signal(SignalKind::from_raw(SIGXFSZ)).context("failed to listen for SIGXFSZ")?;
    let server = Server::bind(loaded.config).await.context("failed to serve")?;
    tracing::info!(grpc = %server.grpc_address()?, http = %server.http_address()?, "ready");
    let stop = async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!("{name}: stopping");
    };
    let reloads = tokio::spawn(watch.run(server.live(), hangup));
    let served = server.run(stop).await.context("failed to serve");
    reloads.abort();
    served?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let colour = has_colour(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
}
