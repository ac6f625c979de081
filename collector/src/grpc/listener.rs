//! Listener of the gRPC server: secures connections and serves HTTP/2 on them.
//!
//! In: accepted sockets, the gRPC service. Out: served calls. Invariant: a client that does not
//! reach HTTP/2 in time is disconnected, so that a silent client holds nothing for long. A client
//! that floods the server with control frames is disconnected.

use super::GrpcService;
use super::connection::{Connection, ConnectionInfo, PREFACE, Socket};
use super::handshakes::Handshakes;
use super::quota::{Rate, Share};
use super::settings::{Connections, Tls as TlsSettings};
use super::tls::{self, Tls};
use super::turns::Tag;
use crate::listener::permits::{ConnectionPermit, ConnectionPermits, Limits};
use crate::listener::{self, Serve};
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::self_metrics::connections::{ConnectionStats, Unserved};
use crate::runtime::self_metrics::grpc::GrpcStats;
use hopscope_core::identity::authorize::PeerIdentity;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tonic::body::Body;
use tonic::codegen::http;

/// Listener of the gRPC server.
pub struct Listener {
    service: GrpcService,
    handle: Arc<EngineHandle>,
    connections: Connections,
    tls: Option<Arc<Tls>>,
    /// Thread of the TLS handshakes.
    handshakes: Option<Handshakes>,
    refresh_interval: Duration,
    trust_domains: Vec<String>,
    permits: Arc<ConnectionPermits>,
}

impl Listener {
    /// Loads the certificate, if there is one.
    ///
    /// # Errors
    ///
    /// [`tls::Error`], which names the file.
    pub fn new(
        files: &TlsSettings,
        connections: Connections,
        service: GrpcService,
    ) -> Result<Self, tls::Error> {
        let handle = service.handle.clone();
        let tls = Tls::load(files)?.map(Arc::new);
        let stats = handle.stats().grpc();
        if let Some(tls) = &tls {
            stats.count_certificate_load(tls.ends_s());
        }
        let permits = ConnectionPermits::new(stats.connections().open.clone());
        let handshakes = tls.is_some().then(Handshakes::start).transpose().map_err(tls::Error::Thread)?;
        let names = files.trust_domains.split(',').map(str::trim);
        let trust_domains = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let refresh_interval = files.reload_interval();
        Ok(Self { service, handle, connections, tls, handshakes, refresh_interval, trust_domains, permits })
    }

    /// Serves until `stop` completes and the last call has ended.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let this = Arc::new(self);
        let refreshing = this.tls.clone().map(|tls| tokio::spawn(this.clone().refresh_tls(tls)));
        listener::run(this, listener, stop).await;
        if let Some(refreshing) = refreshing {
            refreshing.abort();
        }
    }

    /// Answers the calls of one connection, with the server of hyper: router and layers of tonic
    /// cost more than a small batch does.
    async fn serve_connection(&self, connection: Connection, mut ended: watch::Receiver<bool>) {
        self.stats().connections().count_accepted();
        let whole = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let Connections {
            keepalive_interval_ms, keepalive_timeout_ms, streams_max, header_bytes_max, ..
        } = self.connections;
        let (service, info) = (Arc::new(self.service.clone()), connection.info());
        let of_connection = info.clone();
        let calls = service_fn(move |request: http::Request<Incoming>| {
            let (service, info) = (service.clone(), info.clone());
            // Boxed, because hyper moves a call several times, next to the memory of its answer.
            Box::pin(async move { Ok::<_, Infallible>(service.call(request.map(Body::new), info).await) })
        });
        let mut server = http2::Builder::new(TokioExecutor::new());
        server
            .timer(TokioTimer::new())
            // No client reads the header, and hyper formats it for each answer.
            .auto_date_header(false)
            .keep_alive_interval(Some(Duration::from_millis(keepalive_interval_ms)))
            .keep_alive_timeout(Duration::from_millis(keepalive_timeout_ms))
            .max_concurrent_streams(whole(streams_max))
            .max_header_list_size(whole(header_bytes_max));
        let mut served = pin!(server.serve_connection(TokioIo::new(connection), calls));
        let broken = tokio::select! {
            served = served.as_mut() => served,
            () = listener::until(&mut ended) => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if of_connection.is_flooded.load(Ordering::Relaxed) {
            self.stats().connections().count_unserved(Unserved::Flood);
        }
        if let Err(error) = broken {
            // Other connections are not affected.
            tracing::debug!(%error, "a connection failed");
        }
    }

    /// Secures a socket and reads the HTTP/2 preface, in time.
    async fn handshake(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
        permit: ConnectionPermit,
    ) -> Result<Connection, Unserved> {
        let limits = self.service.limits().connections.clone();
        let handshake = async {
            let (mut socket, peer) = self.secure(tcp).await?;
            let mut preface = [0; PREFACE.len()];
            match socket.read_exact(&mut preface).await {
                Ok(_) if preface == PREFACE => Ok((socket, peer)),
                _ => Err(Unserved::Protocol),
            }
        };
        let connected = timeout(limits.handshake_timeout(), handshake).await;
        let (socket, peer) = connected.map_err(|_| Unserved::Slow)??;
        let budgets = &self.service.budgets;
        let connection = Arc::new(ConnectionInfo {
            address,
            peer,
            bytes: Share::new(&budgets.bytes, limits.bytes_in_flight_max),
            receiving: Share::new(&budgets.receiving, limits.streams_max),
            reports: Share::new(&budgets.reports, limits.reports_in_flight_max),
            streams: Share::new(&budgets.streams, limits.long_streams_max),
            since: Instant::now(),
            rate: Rate::new(limits.reports_per_second_max),
            tag: Tag::default(),
            has_delivered: AtomicBool::new(false),
            is_flooded: AtomicBool::new(false),
        });
        Ok(Connection::new(socket, connection, permit))
    }

    async fn secure(&self, tcp: TcpStream) -> Result<(Socket, PeerIdentity), Unserved> {
        let Some(tls) = &self.tls else { return Ok((Socket::Plain(tcp), PeerIdentity::NotRequired)) };
        let handshake = tls.acceptor().accept(tcp);
        let shaken = match &self.handshakes {
            Some(handshakes) => handshakes.run(handshake).await,
            None => handshake.await,
        };
        let stream = shaken.map_err(|error| {
            tracing::debug!(%error, "a TLS handshake failed");
            Unserved::Tls
        })?;
        let peer = if tls.requires_client_certificate() {
            let certificates = stream.get_ref().1.peer_certificates();
            let leaf = certificates.and_then(<[_]>::first);
            leaf.map_or(PeerIdentity::Unknown, |leaf| PeerIdentity::of(leaf, &self.trust_domains))
        } else {
            PeerIdentity::NotRequired
        };
        Ok((Socket::Tls(Box::new(stream)), peer))
    }

    /// Reads the files of TLS again at each interval. Each problem is logged once.
    async fn refresh_tls(self: Arc<Self>, tls: Arc<Tls>) {
        let mut refreshes = interval(self.refresh_interval);
        refreshes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut logged = String::new();
        loop {
            refreshes.tick().await;
            match tls.refresh() {
                Ok(false) => logged.clear(),
                Ok(true) => {
                    logged.clear();
                    self.stats().count_certificate_load(tls.ends_s());
                    tracing::info!("the gRPC server uses a new certificate");
                }
                Err(error) => {
                    self.stats().count_certificate_failure();
                    let text = format!("{:#}", anyhow::Error::from(error));
                    if text != logged {
                        tracing::warn!("failed to load the new certificate, so the old one stays: {text}");
                        logged = text;
                    }
                }
            }
        }
    }

    fn stats(&self) -> &GrpcStats {
        self.handle.stats().grpc()
    }
}

impl Serve for Listener {
    fn permits(&self) -> &Arc<ConnectionPermits> {
        &self.permits
    }

    fn limits(&self) -> Limits {
        self.service.limits().connections.limits()
    }

    fn stats(&self) -> &ConnectionStats {
        self.stats().connections()
    }

    async fn serve(
        self: Arc<Self>,
        tcp: TcpStream,
        address: SocketAddr,
        permit: ConnectionPermit,
        ended: watch::Receiver<bool>,
    ) {
        match self.handshake(tcp, address, permit).await {
            Ok(connection) => self.serve_connection(connection, ended).await,
            Err(reason) => self.stats().connections().count_unserved(reason),
        }
    }
}
