//! A stretch of network that lets requests pass and holds answers back, or breaks the connection then.
//!
//! In: connections of a source's Envoy. Out: connections to a destination's Envoy, from the source's address.
//! Always: a handshake passes unhindered, and everything that the destination sends from the client's first
//! application data on is held. A client that leaves is heard of as late as an answer would be.
//!
//! That the handshake passes matters because it counts into the route's timeout: held, it would use that up
//! before the request is sent, and the destination would have nothing to disagree about. In TLS 1.3 the
//! server's handshake looks like application data; so it is the client whose records are read. Whatever the
//! version, a client sends its first record of that type only when it has all of the server's handshake
//! (early data aside, which Envoy does not send to an upstream), and what comes back later are session
//! tickets, which nobody waits for, and answers. In plaintext there is no handshake to spare.
//!
//! A hop that cuts breaks the connection so long after the client's first application data, whatever the destination does
//! until then: one that is quick has answered, one that is slow still works.
//!
//! The leaving is held because a source that gives up closes its connection, and a destination that learns of
//! it while it still works says DC instead of 200.

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

use crate::address_plan::Places;
use crate::topology::Hop;
use record::ClientRecords;

/// Connections of one hop; more wait.
const CONNECTIONS_MAX: usize = 256;

/// Read at once in each direction.
const CHUNK_BYTES: usize = 16 << 10;

/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A hop, reachable already.
#[derive(Debug)]
pub struct SlowHop {
    listener: TcpListener,
    stretch: Stretch,
}

/// Where it leads, and how.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: Ipv4Addr,
    to: SocketAddr,
    held: Duration,
    then_cut: bool,
}

impl SlowHop {
    /// Binds a hop of the topology at its place.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn bind(hop: &Hop, places: &Places) -> Result<Self> {
        let stretch = Stretch {
            from: places.of(&hop.from)?.address,
            to: places.of(&hop.to)?.entrance(),
            held: Duration::from_millis(hop.answers_held_ms),
            then_cut: hop.then_cut,
        };
        let listener = TcpListener::bind(places.of_hop(&hop.name)?).await;
        let listener = listener.with_context(|| format!("failed to bind the hop {}", hop.name))?;
        Ok(Self { listener, stretch })
    }

    /// Carries connections until it is dropped.
    pub async fn serve(self) {
        let limit = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        while let Ok(permit) = Arc::clone(&limit).acquire_owned().await {
            while connections.try_join_next().is_some() {}
            let Ok((client, _)) = self.listener.accept().await else {
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let stretch = self.stretch;
            connections.spawn(async move {
                // A connection that breaks is one that its ends have broken.
                stretch.carry(client).await.ok();
                drop(permit);
            });
        }
    }
}

impl Stretch {
    async fn carry(self, mut client: TcpStream) -> io::Result<()> {
        let mut server = self.connect().await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.split();
        let (mut from_server, to_server) = server.split();
        let (holding, begun) = (AtomicBool::new(false), Notify::new());
        tokio::select! {
            // First, since what is held is over at the same time.
            biased;
            () = self.cut(&begun) => return Ok(()),
            answered = self.answers(&mut from_server, to_client, &holding) => return answered,
            _left = requests(from_client, to_server, &holding, &begun) => {}
        }
        let mut nowhere = io::sink();
        let unheard = io::copy(&mut from_server, &mut nowhere);
        time::timeout(self.held, unheard).await.ok();
        Ok(())
    }

    /// Passes the server's bytes on, late from when `holding` is set.
    async fn answers(
        self,
        server: &mut ReadHalf<'_>,
        mut client: WriteHalf<'_>,
        holding: &AtomicBool,
    ) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = server.read(&mut chunk).await?;
            if holding.load(Ordering::Relaxed) {
                time::sleep(self.held).await;
            }
            let bytes = chunk.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            client.write_all(bytes).await?;
        }
    }

    /// Ends so long after application data have begun, where the connection is to break.
    async fn cut(self, begun: &Notify) {
        if !self.then_cut {
            return future::pending().await;
        }
        begun.notified().await;
        time::sleep(self.held).await;
    }

    async fn connect(self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.from, 0).into())?;
        socket.connect(self.to).await
    }
}

/// Passes the client's bytes on at once; sees when its application data begin.
async fn requests(
    mut client: ReadHalf<'_>,
    mut server: WriteHalf<'_>,
    holding: &AtomicBool,
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
        // Before they leave: an answer to them must find it set.
        if records.application_data_begun(bytes) {
            holding.store(true, Ordering::Relaxed);
            begun.notify_one();
        }
        server.write_all(bytes).await?;
    }
}

#[cfg(test)]
mod tests;
