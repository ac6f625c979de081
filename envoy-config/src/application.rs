//! The small applications behind the sidecars.
//!
//! In: requests from the workload's own Envoy. Out: calls through that Envoy to what the topology says, and an
//! answer with the status that came back; or, at the workload where a fault has its cause, the cause itself.
//! Always: everything of a request ends when its caller leaves, as in a server that notices; connections,
//! bodies and times are bounded.

mod behavior;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time;

use crate::address_plan::Place;
use crate::topology::{Topology, Workload};
use behavior::Conduct;
use upstream::Upstream;

/// Connections of one application; its only client is its Envoy, which opens one for each parallel request.
const CONNECTIONS_MAX: usize = 1024;

/// Pause after a connection could not be accepted, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A workload's application, reachable already.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    conduct: Arc<Conduct>,
}

impl Server {
    /// Binds the application of a workload at its place.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn bind(topology: &Arc<Topology>, workload: &Workload, place: &Place) -> Result<Self> {
        let address = (place.address, place.application);
        let listener = TcpListener::bind(address).await;
        let listener =
            listener.with_context(|| format!("failed to bind the application of {}", workload.id()))?;
        let upstream = Upstream::new(topology, place);
        Ok(Self { listener, conduct: Arc::new(Conduct::new(topology, workload, upstream)) })
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        let limit = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        while let Ok(permit) = Arc::clone(&limit).acquire_owned().await {
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = self.listener.accept().await else {
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let conduct = Arc::clone(&self.conduct);
            connections.spawn(async move {
                serve_connection(stream, conduct).await;
                drop(permit);
            });
        }
    }
}

async fn serve_connection(stream: TcpStream, conduct: Arc<Conduct>) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| {
        let conduct = Arc::clone(&conduct);
        async move { conduct.answer(request).await }
    });
    // An idle connection stays open: were it closed, Envoy might be sending a request at that moment.
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // It fails when the caller leaves or the application hangs up, which is what it is there for.
    connection.await.ok();
}

#[cfg(test)]
mod tests;
