//! Connections: accepted, greeted, limited, handed to the HTTP/2 server.
//!
//! In: a listening socket, the door, a signal to stop. Out: a door that serves. Always holds: at most `connections_max`
//! sockets are open, at most `address_connections_max` of one address; a client that does not get to HTTP/2 in time is
//! gone, so that a silent one holds nothing for long; a broken client ends its own connection only.

use super::GrpcService;
use super::connection::{
    Connection, ConnectionInfo, ConnectionPermit, ConnectionPermits, PREFACE, PermitError, Socket,
};
use super::quota::{Rate, Share};
use super::settings::{self, Connections};
use super::stats::{GrpcStats, Unserved};
use super::tls::{self, Tls};
use crate::runtime::engine_handle::EngineHandle;
use hopscope_core::identity::authorize::PeerIdentity;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tonic::body::Body;
use tonic::codegen::http;

/// After the system refused to hand over a connection (no file descriptor is left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The threshold of the door.
pub struct Listener {
    door: GrpcService,
    state: Arc<EngineHandle>,
    connections: Connections,
    tls: Option<Arc<Tls>>,
    look_every: Duration,
    trust_domains: Vec<String>,
    seats: Arc<ConnectionPermits>,
}

impl Listener {
    /// Loads the certificate, if there is one.
    ///
    /// # Errors
    ///
    /// [`tls::Error`], which names the file.
    pub fn new(
        files: &settings::Tls,
        connections: Connections,
        door: GrpcService,
    ) -> Result<Self, tls::Error> {
        let state = door.state.clone();
        let tls = Tls::load(files)?.map(Arc::new);
        let stats = state.stats().door();
        if let Some(tls) = &tls {
            stats.reloaded(tls.ends_s());
        }
        let seats = ConnectionPermits::new(stats.open.clone());
        let names = files.trust_domains.split(',').map(str::trim);
        let trust_domains = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let look_every = files.reload_interval();
        Ok(Self { door, state, connections, tls, look_every, trust_domains, seats })
    }

    /// Serves until `stop` completes and the last call has ended.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let porch = Arc::new(self);
        let looking = porch.tls.clone().map(|tls| tokio::spawn(porch.clone().look(tls)));
        let (ending, ended) = watch::channel(false);
        let mut visits = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((tcp, address)) => porch.clone().accept(tcp, address, &mut visits, &ended),
                    Err(_) => {
                        porch.stats().unserved(Unserved::Accept);
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                // A visit that is over leaves its place in the set.
                Some(_) = visits.join_next() => {}
                () = &mut stop => break,
            }
        }
        drop(listener);
        ending.send_replace(true);
        while visits.join_next().await.is_some() {}
        if let Some(looking) = looking {
            looking.abort();
        }
    }

    fn accept(
        self: Arc<Self>,
        tcp: TcpStream,
        address: SocketAddr,
        visits: &mut JoinSet<()>,
        ended: &watch::Receiver<bool>,
    ) {
        match self.seats.take(address.ip(), &self.door.limits().connections) {
            Ok(seat) => {
                let ended = ended.clone();
                // As many of these as there are seats.
                visits.spawn(async move {
                    match self.greet(tcp, address, seat).await {
                        Ok(connection) => self.visit(connection, ended).await,
                        Err(why) => self.stats().unserved(why),
                    }
                });
            }
            Err(PermitError::Full) => self.stats().unserved(Unserved::Full),
            Err(PermitError::AddressFull) => self.stats().unserved(Unserved::AddressFull),
        }
    }

    /// Answers the calls of one connection. It is hyper's server and not the one of tonic, whose router and layers cost more
    /// than a small batch does.
    async fn visit(&self, connection: Connection, mut ended: watch::Receiver<bool>) {
        self.stats().connected();
        let whole = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let Connections {
            keepalive_interval_ms, keepalive_timeout_ms, streams_max, header_bytes_max, ..
        } = self.connections;
        let (door, info) = (Arc::new(self.door.clone()), connection.info());
        let service = service_fn(move |request: http::Request<Incoming>| {
            let (door, info) = (door.clone(), info.clone());
            // Boxed: hyper moves a call about, and keeps its room beside that of the answer.
            Box::pin(async move { Ok::<_, Infallible>(door.call(request.map(Body::new), info).await) })
        });
        let mut server = http2::Builder::new(TokioExecutor::new());
        server
            .timer(TokioTimer::new())
            // Nobody reads it, and it is spelled anew for each answer.
            .auto_date_header(false)
            .keep_alive_interval(Some(Duration::from_millis(keepalive_interval_ms)))
            .keep_alive_timeout(Duration::from_millis(keepalive_timeout_ms))
            .max_concurrent_streams(whole(streams_max))
            .max_header_list_size(whole(header_bytes_max));
        let mut served = pin!(server.serve_connection(TokioIo::new(connection), service));
        let broken = tokio::select! {
            served = served.as_mut() => served,
            () = until(&mut ended) => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = broken {
            // Its own fault; the others go on.
            tracing::debug!(%error, "a connection broke");
        }
    }

    async fn greet(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
        seat: ConnectionPermit,
    ) -> Result<Connection, Unserved> {
        // Without it small answers wait for more; a socket that refuses is about to fail anyway.
        let _ = tcp.set_nodelay(true);
        let limits = self.door.limits().connections.clone();
        let greeting = async {
            let (mut socket, peer) = self.secure(tcp).await?;
            let mut preface = [0; PREFACE.len()];
            match socket.read_exact(&mut preface).await {
                Ok(_) if preface == PREFACE => Ok((socket, peer)),
                _ => Err(Unserved::Protocol),
            }
        };
        let greeted = timeout(limits.handshake_timeout(), greeting).await;
        let (socket, peer) = greeted.map_err(|_| Unserved::Slow)??;
        let budgets = &self.door.budgets;
        let connection = Arc::new(ConnectionInfo {
            address,
            peer,
            bytes: Share::new(&budgets.bytes, limits.bytes_in_flight_max),
            reports: Share::new(&budgets.reports, limits.reports_in_flight_max),
            streams: Share::new(&budgets.streams, limits.long_streams_max),
            since: Instant::now(),
            rate: Rate::new(limits.reports_per_second_max),
        });
        Ok(Connection::new(socket, connection, seat))
    }

    async fn secure(&self, tcp: TcpStream) -> Result<(Socket, PeerIdentity), Unserved> {
        let Some(tls) = &self.tls else { return Ok((Socket::Plain(tcp), PeerIdentity::Open)) };
        let stream = tls.acceptor().accept(tcp).await.map_err(|error| {
            tracing::debug!(%error, "a TLS handshake failed");
            Unserved::Tls
        })?;
        let peer = if tls.asks_clients() {
            let certificates = stream.get_ref().1.peer_certificates();
            let leaf = certificates.and_then(<[_]>::first);
            leaf.map_or(PeerIdentity::Nobody, |leaf| PeerIdentity::of(leaf, &self.trust_domains))
        } else {
            PeerIdentity::Open
        };
        Ok((Socket::Tls(Box::new(stream)), peer))
    }

    /// EngineReader at the files of TLS now and then. What is wrong is said once.
    async fn look(self: Arc<Self>, tls: Arc<Tls>) {
        let mut looks = interval(self.look_every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = String::new();
        loop {
            looks.tick().await;
            match tls.refresh() {
                Ok(false) => said.clear(),
                Ok(true) => {
                    said.clear();
                    self.stats().reloaded(tls.ends_s());
                    tracing::info!("the gRPC door has a new certificate");
                }
                Err(error) => {
                    self.stats().reload_failed();
                    let text = format!("{:#}", anyhow::Error::from(error));
                    if text != said {
                        tracing::warn!("failed to load the new certificate, so the old one stays: {text}");
                        said = text;
                    }
                }
            }
        }
    }

    fn stats(&self) -> &GrpcStats {
        self.state.stats().door()
    }
}

async fn until(ended: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end as well.
    let _ = ended.wait_for(|ended| *ended).await;
}
