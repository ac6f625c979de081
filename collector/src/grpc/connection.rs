//! Who is at the door: one connection and what it may use.
//!
//! In: a socket that was greeted. Out: the bytes in both directions, and a [`ConnectionInfo`] with every call. Always holds: a
//! connection's place among the allowed ones is given back when its socket closes.

use super::quota::{Rate, Share};
use super::settings::Connections;
use hopscope_core::identity::authorize::PeerIdentity;
use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

/// The first bytes of every HTTP/2 connection. Source: RFC 9113, section 3.4.
pub(super) const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One connection, as its calls see it.
#[derive(Debug)]
pub(super) struct ConnectionInfo {
    pub(super) address: SocketAddr,
    pub(super) peer: PeerIdentity,
    /// Messages that are read and not yet handled, bytes.
    pub(super) bytes: Arc<Share>,
    /// Reports that are read or handled.
    pub(super) reports: Arc<Share>,
    /// Streams without end.
    pub(super) streams: Arc<Share>,
    pub(super) since: Instant,
    pub(super) rate: Rate,
}

impl ConnectionInfo {
    /// Whether it may send one more message now.
    pub(super) fn may_send(&self) -> bool {
        let now_ns = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.rate.allows(now_ns)
    }
}

/// All places for connections.
#[derive(Debug)]
pub(super) struct ConnectionPermits {
    open: Arc<AtomicU64>,
    by_address: Mutex<HashMap<IpAddr, u64>>,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PermitError {
    Full,
    AddressFull,
}

impl ConnectionPermits {
    /// `open` is the gauge of those that are taken.
    pub(super) fn new(open: Arc<AtomicU64>) -> Arc<Self> {
        Arc::new(Self { open, by_address: Mutex::new(HashMap::new()) })
    }

    /// A place for a connection from `address`, under the limits of the moment.
    pub(super) fn take(
        self: &Arc<Self>,
        address: IpAddr,
        limits: &Connections,
    ) -> Result<ConnectionPermit, PermitError> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if self.open.load(Ordering::Relaxed) >= limits.max {
            return Err(PermitError::Full);
        }
        let taken = by_address.entry(address).or_default();
        if *taken >= limits.address_max {
            return Err(PermitError::AddressFull);
        }
        *taken += 1;
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(ConnectionPermit { seats: self.clone(), address })
    }
}

/// One place; given back when dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    seats: Arc<ConnectionPermits>,
    address: IpAddr,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut by_address = self.seats.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        self.seats.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(taken) = by_address.get_mut(&self.address) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// The bytes of a connection.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection whose first bytes were read and stand for themselves.
pub(super) struct Connection {
    socket: Socket,
    /// How much of [`PREFACE`] was handed on again.
    replayed: usize,
    /// Whether the others had their turn before the next write.
    gave_way: bool,
    info: Arc<ConnectionInfo>,
    _seat: ConnectionPermit,
}

impl Connection {
    pub(super) fn new(socket: Socket, info: Arc<ConnectionInfo>, seat: ConnectionPermit) -> Self {
        Self { socket, replayed: 0, gave_way: false, info, _seat: seat }
    }

    /// Lets all other tasks have their turn before something is written. Whoever answers a report wakes its connection, which
    /// would run next and write this one answer; after all others have had their turn, it has many.
    fn give_way(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.gave_way = !self.gave_way;
        if self.gave_way {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Who it is.
    pub(super) fn info(&self) -> Arc<ConnectionInfo> {
        self.info.clone()
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, into),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, into),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let rest = PREFACE.get(this.replayed..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut this.socket).poll_read(cx, into);
        }
        let now = rest.get(..into.remaining()).unwrap_or(rest);
        into.put_slice(now);
        this.replayed += now.len();
        Poll::Ready(Ok(()))
    }
}

macro_rules! delegate {
    ($self:ident, $socket:ident => $call:expr) => {
        match &mut $self.get_mut().socket {
            Socket::Plain(tcp) => {
                let $socket = Pin::new(tcp);
                $call
            }
            Socket::Tls(tls) => {
                let $socket = Pin::new(tls);
                $call
            }
        }
    };
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.give_way(cx));
        delegate!(self, socket => socket.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.give_way(cx));
        delegate!(self, socket => socket.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(tcp) => tcp.is_write_vectored(),
            Socket::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, socket => socket.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, socket => socket.poll_shutdown(cx))
    }
}
