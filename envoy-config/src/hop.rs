//! A network link that delays answers, or breaks the connection.
//!
//! In: connections of a source's Envoy. Out: connections to a destination's Envoy, from the
//! source's address.
//! Invariant: a handshake passes without delay; everything that the destination sends after the
//! client's first application data is delayed. The disconnect of a client is delayed as long as an
//! answer.
//!
//! A delayed handshake would use up the route's timeout before the request is sent, and the
//! destination would have no record of it. In TLS 1.3 the server's handshake looks like application
//! data; therefore the link parses the client's records. In every version of TLS, a client sends
//! its first record of application data only after the server's handshake (except for early data,
//! which Envoy does not send to an upstream). Later bytes of the server are session tickets, for
//! which no client waits, and answers. Plaintext has no handshake.
//!
//! A link with `then_cut` breaks the connection at a fixed time after the client's first
//! application data: a quick destination has answered by then, a slow one has not.
//!
//! The disconnect is delayed because a source closes its connection after a timeout, and a
//! destination that notices it during its work reports DC instead of 200.

mod record;

use std::future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time;

use crate::address_plan::AddressPlan;
use crate::topology::Hop;
use record::ClientRecords;

/// Connections of one hop; further ones wait.
const CONNECTIONS_MAX: usize = 256;

/// Size of one read.
const CHUNK_BYTES: usize = 16 << 10;

/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A hop with a bound listener.
#[derive(Debug)]
pub struct SlowHop {
    listener: TcpListener,
    link: Link,
}

/// Ends and behaviour of a link.
#[derive(Debug, Clone, Copy)]
struct Link {
    from: Ipv4Addr,
    to: SocketAddr,
    delay: Duration,
    then_cut: bool,
}

impl SlowHop {
    /// Binds a hop of the topology at its address.
    ///
    /// # Errors
    /// When the address is in use.
    pub async fn bind(hop: &Hop, plan: &AddressPlan) -> Result<Self> {
        let link = Link {
            from: plan.of(&hop.from)?.ip,
            to: plan.of(&hop.to)?.inbound_address(),
            delay: Duration::from_millis(hop.answers_held_ms),
            then_cut: hop.then_cut,
        };
        let listener = TcpListener::bind(plan.of_hop(&hop.name)?).await;
        let listener = listener.with_context(|| format!("failed to bind the hop {}", hop.name))?;
        Ok(Self { listener, link })
    }

    /// Forwards connections until the future is dropped.
    pub async fn serve(self) {
        let limit = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        while let Ok(permit) = Arc::clone(&limit).acquire_owned().await {
            while connections.try_join_next().is_some() {}
            let Ok((client, _)) = self.listener.accept().await else {
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let link = self.link;
            connections.spawn(async move {
                // An error means that one of the ends closed the connection.
                link.carry(client).await.ok();
                drop(permit);
            });
        }
    }
}

impl Link {
    async fn carry(self, mut client: TcpStream) -> io::Result<()> {
        let mut server = self.connect().await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.split();
        let (mut from_server, to_server) = server.split();
        let (delaying, begun) = (AtomicBool::new(false), Notify::new());
        tokio::select! {
            // First, because the delay of answers ends at the same time.
            biased;
            () = self.cut(&begun) => return Ok(()),
            answered = self.answers(&mut from_server, to_client, &delaying) => return answered,
            _left = requests(from_client, to_server, &delaying, &begun) => {}
        }
        let mut nowhere = io::sink();
        let discarded = io::copy(&mut from_server, &mut nowhere);
        time::timeout(self.delay, discarded).await.ok();
        Ok(())
    }

    /// Forwards the server's bytes, with a delay once `delaying` is set.
    async fn answers(
        self,
        server: &mut ReadHalf<'_>,
        mut client: WriteHalf<'_>,
        delaying: &AtomicBool,
    ) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = server.read(&mut chunk).await?;
            if delaying.load(Ordering::Relaxed) {
                time::sleep(self.delay).await;
            }
            let bytes = chunk.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            client.write_all(bytes).await?;
        }
    }

    /// Ends after the delay from the client's first application data, for a link that cuts; never
    /// for others.
    async fn cut(self, begun: &Notify) {
        if !self.then_cut {
            return future::pending().await;
        }
        begun.notified().await;
        time::sleep(self.delay).await;
    }

    async fn connect(self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.from, 0).into())?;
        socket.connect(self.to).await
    }
}

/// Forwards the client's bytes at once and detects its first application data.
async fn requests(
    mut client: ReadHalf<'_>,
    mut server: WriteHalf<'_>,
    delaying: &AtomicBool,
    begun: &Notify,
) -> io::Result<()> {
    let mut records = ClientRecords::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = client.read(&mut chunk).await?;
        let bytes = chunk.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        // Set before the bytes are sent, so that every answer to them is delayed.
        if records.application_data_begun(bytes) {
            delaying.store(true, Ordering::Relaxed);
            begun.notify_one();
        }
        server.write_all(bytes).await?;
    }
}

#[cfg(test)]
mod tests;
