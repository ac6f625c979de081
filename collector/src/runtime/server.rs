//! Starts and stops the doors. The only place that reads the clock.
//!
//! In: a [`Config`], and a signal to stop. Out: a running collector. Always holds: no door opens before both addresses
//! are bound; from the signal on reports are sent elsewhere and `/readyz` says so; it ends within [`GRACE`], whatever
//! clients do.

pub use crate::runtime::reload::{Applied, Live};

use crate::config::Config;
use crate::grpc::GrpcService;
use crate::grpc::listener::Listener;
use crate::grpc::tls;
use crate::http;
use crate::journal;
use crate::runtime::engine_handle::EngineHandle;
use hopscope_core::engine::Engine;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long open calls may take to end once the collector is told to stop.
pub const GRACE: Duration = Duration::from_secs(5);

/// Between two looks at what has waited or been silent long enough.
const TICK: Duration = Duration::from_millis(250);

/// Why the collector could not run. The text fits "failed to serve: …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is taken, or not ours.
    #[error("cannot listen on {address} ({door}); choose another with --{option}")]
    Bind {
        /// What was to listen there.
        door: &'static str,
        /// The option that sets the address.
        option: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The files of TLS are of no use.
    #[error("cannot set up TLS at the gRPC door")]
    Tls(#[from] tls::Error),
    /// What was kept cannot be gone on with.
    #[error("cannot open the journal")]
    Journal(#[from] journal::Error),
    /// The HTTP door broke.
    #[error("the HTTP door broke")]
    Http(#[from] std::io::Error),
}

/// A collector whose addresses are bound.
pub struct Server {
    live: Live,
    state: Arc<EngineHandle>,
    porch: Listener,
    journal: Option<journal::Opened>,
    grpc: TcpListener,
    http: TcpListener,
    /// Says to all doors that it ends.
    stopped: watch::Sender<bool>,
}

impl Server {
    /// Binds both addresses, then takes up what an earlier life left in the journal.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`], which names the option to change; [`Error::Tls`], which names the file; [`Error::Journal`].
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let grpc = bind("gRPC", "grpc-address", config.listen.grpc_address).await?;
        let http = bind("HTTP", "http-address", config.listen.http_address).await?;
        let mut engine = Engine::new(config.engine.clone());
        let journal = match config.journal.directory() {
            Some(directory) => Some(journal::open(directory, config.journal.clone(), &mut engine)?),
            None => None,
        };
        let handle = journal.as_ref().map(journal::Opened::journal);
        let state = Arc::new(EngineHandle::new(engine, handle, now_us));
        let (stopped, stopping) = watch::channel(false);
        let door = GrpcService::new(state.clone(), config.grpc.clone(), stopping);
        let porch = Listener::new(&config.grpc.tls, config.grpc.connections.clone(), door.clone())?;
        let live = Live::new(config, state.clone(), door);
        Ok(Self { live, state, porch, journal, grpc, http, stopped })
    }

    /// What can change while it runs.
    #[must_use]
    pub fn live(&self) -> Live {
        self.live.clone()
    }

    /// Where filters report.
    ///
    /// # Errors
    ///
    /// When the system does not know.
    pub fn grpc_address(&self) -> Result<SocketAddr, Error> {
        Ok(self.grpc.local_addr()?)
    }

    /// Where the HTTP door is.
    ///
    /// # Errors
    ///
    /// When the system does not know.
    pub fn http_address(&self) -> Result<SocketAddr, Error> {
        Ok(self.http.local_addr()?)
    }

    /// Serves until `stop` completes, then ends what is open.
    ///
    /// # Errors
    ///
    /// When a door breaks before that.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { live: _, state, porch, journal, grpc, http, stopped } = self;
        let journal = journal.map(|journal| journal.run(state.clone())).transpose()?;
        let stopping = stopped.subscribe();
        let mut doors = JoinSet::new();
        let signal = until(stopping.clone());
        doors.spawn(async move {
            porch.serve(grpc, signal).await;
            Ok(())
        });
        let router = http::router(state.clone());
        let signal = until(stopping);
        doors.spawn(async move {
            axum::serve(http, router).with_graceful_shutdown(signal).await.map_err(Error::from)
        });
        let ticks = tokio::spawn(tick(state.clone()));
        let outcome = tokio::select! {
            () = stop => Ok(()),
            broken = doors.join_next() => broken.map_or(Ok(()), |joined| joined.unwrap_or(Ok(()))),
        };
        state.stop();
        stopped.send_replace(true);
        let drained = tokio::time::timeout(GRACE, async { while doors.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("gave up on calls that were still open {} s after the signal", GRACE.as_secs());
        }
        ticks.abort();
        match journal {
            Some(journal) => journal.stop(GRACE).await,
            None => state.engine().close(now_us()),
        }
        outcome
    }
}

async fn bind(door: &'static str, option: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { door, option, address, source })
}

async fn until(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn tick(state: Arc<EngineHandle>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        state.tick(now_us());
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
