//! Server: starts and stops the gRPC server, the HTTP server and the sinks.
//!
//! In: a [`Config`], and a signal to stop. Out: a running collector. Invariant: no server accepts
//! before both addresses are bound. After the signal, reports are rejected and `/readyz` fails; the
//! collector ends within [`GRACE`], whatever its clients do.

pub use crate::runtime::reload::{Applied, Live};

use crate::config::Config;
use crate::grpc::GrpcService;
use crate::grpc::listener::Listener;
use crate::grpc::tls;
use crate::http;
use crate::journal::{self, OpenedJournal};
use crate::listener;
use crate::runtime::change_log::ChangeLog;
use crate::runtime::clock::Clock;
use crate::runtime::engine_cell::EngineCell;
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::self_metrics::SelfMetrics;
use crate::sinks;
use hopscope_core::engine::Engine;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Time for calls in flight to end after the signal to stop.
pub const GRACE: Duration = Duration::from_secs(5);

/// Interval of the ticks.
const TICK: Duration = Duration::from_millis(250);

/// Lead of the journal over the clock that is worth a line in the log.
const AHEAD_MAX: Duration = Duration::from_secs(3_600);

/// Error of the collector. The text fits "failed to serve: …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is in use, or is none of this host.
    #[error("cannot listen on {address} ({server}); choose another with --{option}")]
    Bind {
        /// Server of the address.
        server: &'static str,
        /// Option that sets the address.
        option: &'static str,
        /// Address.
        address: SocketAddr,
        /// Cause.
        source: std::io::Error,
    },
    /// The files of TLS are invalid.
    #[error("cannot set up TLS for the gRPC server")]
    Tls(#[from] tls::Error),
    /// The state of the previous process run cannot be read.
    #[error("cannot open the journal")]
    Journal(#[from] journal::Error),
    /// The HTTP server failed.
    #[error("the HTTP server failed")]
    Http(#[from] std::io::Error),
}

/// A collector whose addresses are bound.
pub struct Server {
    live: Live,
    handle: Arc<EngineHandle>,
    cell: EngineCell,
    listener: Listener,
    journal: Option<OpenedJournal>,
    sinks: sinks::Settings,
    http_listener: http::listener::Listener,
    grpc: TcpListener,
    http: TcpListener,
    /// Signal to all servers to stop.
    stopped: watch::Sender<bool>,
}

impl Server {
    /// Binds both addresses, then replays the journal.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`], which names the option to change; [`Error::Tls`], which names the file;
    /// [`Error::Journal`].
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let connections = config.grpc.connections.max.saturating_add(config.http.connections_max);
        listener::descriptors::raise(connections);
        let grpc = bind("gRPC", "grpc-address", config.listen.grpc_address).await?;
        let http = bind("HTTP", "http-address", config.listen.http_address).await?;
        let mut engine = Engine::new(config.engine.clone());
        let journal = match config.journal.directory() {
            Some(directory) => Some(journal::open(directory, config.journal.clone(), &mut engine)?),
            None => None,
        };
        let clock = clock(&engine);
        let cell = EngineCell::new(engine);
        let log = journal.as_ref().map(|journal| Box::new(journal.log()) as Box<dyn ChangeLog>);
        let stats = SelfMetrics::new(journal.as_ref().map(OpenedJournal::stats));
        let handle = Arc::new(EngineHandle::new(cell.clone(), log, stats, clock));
        let (stopped, stopping) = watch::channel(false);
        let service = GrpcService::new(handle.clone(), config.grpc.clone(), stopping);
        let listener = Listener::new(&config.grpc.tls, config.grpc.connections.clone(), service.clone())?;
        let sinks = config.sinks.clone();
        let router = http::router(handle.clone(), &config.http);
        let http_listener = http::listener::Listener::new(handle.clone(), router, config.http.clone());
        let live = Live::new(config, handle.clone(), service);
        Ok(Self { live, handle, cell, listener, journal, sinks, http_listener, grpc, http, stopped })
    }

    /// Settings that can change while the collector runs.
    #[must_use]
    pub fn live(&self) -> Live {
        self.live.clone()
    }

    /// Address of the gRPC server.
    ///
    /// # Errors
    ///
    /// When the system call fails.
    pub fn grpc_address(&self) -> Result<SocketAddr, Error> {
        Ok(self.grpc.local_addr()?)
    }

    /// Address of the HTTP server.
    ///
    /// # Errors
    ///
    /// When the system call fails.
    pub fn http_address(&self) -> Result<SocketAddr, Error> {
        Ok(self.http.local_addr()?)
    }

    /// Serves until `stop` completes, then ends the calls in flight.
    ///
    /// # Errors
    ///
    /// When a server fails before that.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { live: _, handle, cell, listener, journal, sinks, http_listener, grpc, http, stopped } =
            self;
        let journal = journal.map(|journal| journal.run(cell)).transpose()?;
        let stopping = stopped.subscribe();
        let mut servers = JoinSet::new();
        let signal = until(stopping.clone());
        servers.spawn(async move {
            listener.serve(grpc, signal).await;
            Ok(())
        });
        let ended = http_listener.start(http.into_std()?, stopping)?;
        servers.spawn(async move { ended.await.unwrap_or(Ok(())).map_err(Error::from) });
        let ticks = tokio::spawn(tick(handle.clone()));
        let sinks = sinks.start(sinks::Runner::new(handle.clone()));
        let outcome = tokio::select! {
            () = stop => Ok(()),
            failed = servers.join_next() => failed.map_or(Ok(()), |joined| joined.unwrap_or(Ok(()))),
        };
        handle.stop();
        stopped.send_replace(true);
        let drained =
            tokio::time::timeout(GRACE, async { while servers.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("dropped the calls that were in flight {} s after the signal", GRACE.as_secs());
        }
        ticks.abort();
        drop(sinks);
        match journal {
            Some(journal) => journal.stop(GRACE).await,
            None => handle.close(),
        }
        outcome
    }
}

async fn bind(server: &'static str, option: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { server, option, address, source })
}

async fn until(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn tick(handle: Arc<EngineHandle>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        handle.tick(handle.now_us());
    }
}

/// Returns a clock that continues the time of a restored engine.
fn clock(engine: &Engine) -> Clock {
    let clock = Clock::system(engine.now_us());
    let ahead = Duration::from_micros(clock.now_us().saturating_sub(clock.wall_us()));
    if ahead > AHEAD_MAX {
        tracing::warn!(
            "the journal is {} s ahead of the clock: until the clock has caught up, deadlines take up to twice as long, \
             and requests are counted but not joined",
            ahead.as_secs()
        );
    }
    clock
}
