//! The small applications behind the sidecars.
//!
//! In: requests from the workload's own Envoy. Out: calls through that Envoy as in the topology,
//! and an answer with the status of the call; or the cause of a fault, at the workload of that
//! fault.
//! Invariant: all work for a request ends when its caller disconnects; connections, bodies and
//! times are bounded.

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

use crate::address_plan::PodAddresses;
use crate::topology::{Topology, Workload};
use behavior::Behavior;
use upstream::Upstream;

/// Connections of one application; its only client is its Envoy, which opens one for each parallel
/// request.
const CONNECTIONS_MAX: usize = 1024;

/// Pause after a connection could not be accepted, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A workload's application with bound listeners.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    behavior: Arc<Behavior>,
}

impl Server {
    /// Binds the application of a workload at its address.
    ///
    /// # Errors
    /// When the address is in use.
    pub async fn bind(topology: &Arc<Topology>, workload: &Workload, pod: &PodAddresses) -> Result<Self> {
        let address = (pod.ip, pod.application);
        let listener = TcpListener::bind(address).await;
        let listener =
            listener.with_context(|| format!("failed to bind the application of {}", workload.id()))?;
        let upstream = Upstream::new(topology, pod);
        Ok(Self { listener, behavior: Arc::new(Behavior::new(topology, workload, upstream)) })
    }

    /// Serves until the future is dropped.
    pub async fn serve(self) {
        let limit = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        while let Ok(permit) = Arc::clone(&limit).acquire_owned().await {
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = self.listener.accept().await else {
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let behavior = Arc::clone(&self.behavior);
            connections.spawn(async move {
                serve_connection(stream, behavior).await;
                drop(permit);
            });
        }
    }
}

async fn serve_connection(stream: TcpStream, behavior: Arc<Behavior>) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| {
        let behavior = Arc::clone(&behavior);
        async move { behavior.answer(request).await }
    });
    // An idle connection stays open: Envoy may send a request at the moment of a close.
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An error means that the caller disconnected or the application closed the connection on
    // purpose.
    connection.await.ok();
}

#[cfg(test)]
mod tests;
