//! Listener: accepts the connections of both servers.
//!
//! In: a listening socket, a server, a signal to stop. Out: served connections. Invariant: at most
//! as many sockets are open as the limits of the server allow, in total and for one address. A
//! connection beyond them is closed at once and counted. A broken client ends its own connection
//! only.

pub mod descriptors;
pub(crate) mod permits;
pub(crate) mod write_deadline;

use crate::runtime::self_metrics::connections::{ConnectionStats, Unserved};
use permits::{ConnectionPermit, ConnectionPermits, Limits, PermitError};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Pause after a failed `accept` (without a free file descriptor, for example).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Server of accepted connections.
pub(crate) trait Serve: Send + Sync + 'static {
    /// Permits of all connections.
    fn permits(&self) -> &Arc<ConnectionPermits>;

    /// Limits of the next connection.
    fn limits(&self) -> Limits;

    /// Counters of connections.
    fn stats(&self) -> &ConnectionStats;

    /// Serves one connection to its end. `ended` becomes true when the server stops.
    fn serve(
        self: Arc<Self>,
        tcp: TcpStream,
        address: SocketAddr,
        permit: ConnectionPermit,
        ended: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send;
}

/// Accepts connections until `stop` completes, and waits until the last one has ended.
pub(crate) async fn run<S: Serve>(server: Arc<S>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let (ending, ended) = watch::channel(false);
    let mut served = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, address)) => accept(&server, tcp, address, &mut served, &ended),
                Err(_) => {
                    server.stats().count_unserved(Unserved::Accept);
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            // Removes an ended connection from the set.
            Some(_) = served.join_next() => {}
            () = &mut stop => break,
        }
    }
    drop(listener);
    ending.send_replace(true);
    while served.join_next().await.is_some() {}
}

fn accept<S: Serve>(
    server: &Arc<S>,
    tcp: TcpStream,
    address: SocketAddr,
    served: &mut JoinSet<()>,
    ended: &watch::Receiver<bool>,
) {
    match server.permits().acquire(address.ip(), &server.limits()) {
        Ok(permit) => {
            // Small answers would wait for more otherwise; a socket that fails here fails later as
            // well.
            let _ = tcp.set_nodelay(true);
            // At most one task per permit.
            served.spawn(server.clone().serve(tcp, address, permit, ended.clone()));
        }
        Err(PermitError::Full) => server.stats().count_unserved(Unserved::Full),
        Err(PermitError::AddressFull) => server.stats().count_unserved(Unserved::AddressFull),
    }
}

/// Waits until a signal is true.
pub(crate) async fn until(signal: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end as well.
    let _ = signal.wait_for(|ended| *ended).await;
}
