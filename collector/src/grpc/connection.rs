//! Connection: a socket after its handshake, its permit and its quotas.
//!
//! In: a socket. Out: bytes in both directions, and a [`ConnectionInfo`] for every call. Invariant:
//! the permit of a connection is released when its socket closes.

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

/// Address, identity and quotas of one connection, for its calls.
#[derive(Debug)]
pub(super) struct ConnectionInfo {
    pub(super) address: SocketAddr,
    pub(super) peer: PeerIdentity,
    /// Bytes of messages that are read and not handled yet.
    pub(super) bytes: Arc<Share>,
    /// Reports that are being read or handled.
    pub(super) reports: Arc<Share>,
    /// Long-lived streams.
    pub(super) streams: Arc<Share>,
    pub(super) since: Instant,
    pub(super) rate: Rate,
}

impl ConnectionInfo {
    /// Whether the rate of the connection allows one more message now.
    pub(super) fn allows_message(&self) -> bool {
        let now_ns = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.rate.allows(now_ns)
    }
}

/// Permits of all connections.
#[derive(Debug)]
pub(super) struct ConnectionPermits {
    open: Arc<AtomicU64>,
    by_address: Mutex<HashMap<IpAddr, u64>>,
}

/// Reason why no permit is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PermitError {
    Full,
    AddressFull,
}

impl ConnectionPermits {
    /// Returns permits. `open`: gauge of the permits in use.
    pub(super) fn new(open: Arc<AtomicU64>) -> Arc<Self> {
        Arc::new(Self { open, by_address: Mutex::new(HashMap::new()) })
    }

    /// Acquires a permit for a connection from `address`.
    pub(super) fn acquire(
        self: &Arc<Self>,
        address: IpAddr,
        limits: &Connections,
    ) -> Result<ConnectionPermit, PermitError> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if self.open.load(Ordering::Relaxed) >= limits.max {
            return Err(PermitError::Full);
        }
        let open = by_address.entry(address).or_default();
        if *open >= limits.address_max {
            return Err(PermitError::AddressFull);
        }
        *open += 1;
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(ConnectionPermit { permits: self.clone(), address })
    }
}

/// Permit of one connection; released when dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    permits: Arc<ConnectionPermits>,
    address: IpAddr,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut by_address = self.permits.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        self.permits.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(open) = by_address.get_mut(&self.address) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// Socket of a connection.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connection after its handshake. The server reads the preface again.
pub(super) struct Connection {
    socket: Socket,
    /// Bytes of [`PREFACE`] that were replayed.
    replayed: usize,
    /// Whether other tasks ran before the next write.
    has_yielded: bool,
    info: Arc<ConnectionInfo>,
    _permit: ConnectionPermit,
}

impl Connection {
    pub(super) fn new(socket: Socket, info: Arc<ConnectionInfo>, permit: ConnectionPermit) -> Self {
        Self { socket, replayed: 0, has_yielded: false, info, _permit: permit }
    }

    /// Lets all other tasks run before a write. An answer wakes its connection, which would run
    /// next and write this one answer; after the other tasks it writes many together.
    fn yield_before_write(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.has_yielded = !self.has_yielded;
        if self.has_yielded {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Address, identity and quotas.
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
        ready!(self.yield_before_write(cx));
        delegate!(self, socket => socket.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.yield_before_write(cx));
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
