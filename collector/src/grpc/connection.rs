//! Connection: a socket after its handshake, its permit and its quotas.
//!
//! In: a socket. Out: bytes in both directions, and a [`ConnectionInfo`] for every call. Invariant:
//! the permit of a connection is released when its socket closes.

use super::control_frames::{self, ControlFrames};
use super::quota::{Rate, Share};
use super::turns::Tag;
use crate::listener::permits::ConnectionPermit;
use hopscope_core::identity::authorize::PeerIdentity;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Reports whose message is incomplete.
    pub(super) receiving: Arc<Share>,
    /// Reports whose message is complete.
    pub(super) reports: Arc<Share>,
    /// Long-lived streams.
    pub(super) streams: Arc<Share>,
    pub(super) since: Instant,
    pub(super) rate: Rate,
    /// Share of the engine.
    pub(super) tag: Tag,
    /// Whether a report of the connection was accepted.
    pub(super) has_delivered: AtomicBool,
    /// Whether the connection ended because of its control frames.
    pub(super) is_flooded: AtomicBool,
}

impl ConnectionInfo {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Whether the rate of the connection allows one more message now.
    pub(super) fn allows_message(&self) -> bool {
        self.rate.allows(self.now_ns())
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
    control: ControlFrames,
    control_rate: Rate,
    info: Arc<ConnectionInfo>,
    _permit: ConnectionPermit,
}

impl Connection {
    pub(super) fn new(socket: Socket, info: Arc<ConnectionInfo>, permit: ConnectionPermit) -> Self {
        let control_rate = Rate::new(control_frames::PER_SECOND_MAX);
        let control = ControlFrames::default();
        Self { socket, replayed: 0, has_yielded: false, control, control_rate, info, _permit: permit }
    }

    /// Ends the connection when its control frames exceed their rate.
    fn limit_control_frames(&mut self, received: &[u8]) -> io::Result<()> {
        let count = self.control.count(received);
        if count > 0 {
            let now_ns = self.info.now_ns();
            if !(0..count).all(|_| self.control_rate.allows(now_ns)) {
                self.info.is_flooded.store(true, Ordering::Relaxed);
                return Err(io::Error::other("too many control frames"));
            }
        }
        Ok(())
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
            let before = into.filled().len();
            ready!(Pin::new(&mut this.socket).poll_read(cx, into))?;
            let received = into.filled().get(before..).unwrap_or_default();
            return Poll::Ready(this.limit_control_frames(received));
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
