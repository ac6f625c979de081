//! Listener of the HTTP server: HTTP/1.1 on a thread of its own.
//!
//! In: a listening socket, the routes, a signal to stop. Out: served requests. Invariant: a request
//! head, an idle connection, a client that does not read and an answer have a time limit each.
//! `/healthz` waits for no other request and for no report. A HEAD request reads nothing of the
//! engine.

use super::host::Hosts;
use super::settings::Settings;
use super::{PATHS, json};
use crate::listener::permits::{ConnectionPermit, ConnectionPermits, Limits};
use crate::listener::write_deadline::WriteDeadline;
use crate::listener::{self, Serve};
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::self_metrics::connections::{ConnectionStats, Unserved};
use crate::runtime::self_metrics::http::Refused;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tonic::codegen::Service;

/// Largest head of a request.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Threads that render answers beside those of scrapes.
const OTHER_THREADS: usize = 4;
/// Time for rendering threads to end.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Paths that answer to every host, and whatever else happens.
const HEALTH_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Listener of the HTTP server.
pub struct Listener {
    handle: Arc<EngineHandle>,
    router: Router,
    settings: Settings,
    hosts: Hosts,
    permits: Arc<ConnectionPermits>,
}

impl Listener {
    /// Returns a listener for these routes.
    #[must_use]
    pub fn new(handle: Arc<EngineHandle>, router: Router, settings: Settings) -> Self {
        let permits = ConnectionPermits::new(handle.stats().http().connections().open.clone());
        let hosts = Hosts::new(&settings.hosts);
        Self { handle, router, settings, hosts, permits }
    }

    /// Serves on a thread of its own, until `stopping` is true and the last request has ended. The
    /// receiver completes at the end of the thread.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn start(
        self,
        listener: std::net::TcpListener,
        mut stopping: watch::Receiver<bool>,
    ) -> io::Result<oneshot::Receiver<io::Result<()>>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("http-answer")
            .max_blocking_threads(self.settings.scrapes_max.saturating_add(OTHER_THREADS))
            .build()?;
        let (ended, end) = oneshot::channel();
        std::thread::Builder::new().name("http".into()).spawn(move || {
            let served = runtime.block_on(async {
                let listener = TcpListener::from_std(listener)?;
                listener::run(Arc::new(self), listener, listener::until(&mut stopping)).await;
                Ok(())
            });
            runtime.shutdown_timeout(END_TIMEOUT);
            // The server may have given up waiting.
            let _ = ended.send(served);
        })?;
        Ok(end)
    }

    /// Answers a request.
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        let is_health = HEALTH_PATHS.contains(&path);
        let problem = self.hosts.problem(request.version(), request.uri(), request.headers());
        if let Some((status, text)) = problem.filter(|_| !is_health) {
            self.handle.stats().http().count_refused(Refused::Host);
            return json::error(status, text);
        }
        if request.method() == Method::HEAD && !is_health {
            return head(path);
        }
        let mut router = self.router.clone();
        match router.call(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Answers a HEAD request, without its answer being rendered.
fn head(path: &str) -> Response<Body> {
    if json::PATHS.contains(&path) {
        return [(header::CONTENT_TYPE, "application/json")].into_response();
    }
    if PATHS.contains(&path) { StatusCode::OK.into_response() } else { StatusCode::NOT_FOUND.into_response() }
}

impl Serve for Listener {
    fn permits(&self) -> &Arc<ConnectionPermits> {
        &self.permits
    }

    fn limits(&self) -> Limits {
        self.settings.limits()
    }

    fn stats(&self) -> &ConnectionStats {
        self.handle.stats().http().connections()
    }

    async fn serve(
        self: Arc<Self>,
        tcp: TcpStream,
        _: SocketAddr,
        permit: ConnectionPermit,
        mut ended: watch::Receiver<bool>,
    ) {
        let _permit = permit;
        self.stats().count_accepted();
        let this = self.clone();
        let requests = service_fn(move |request| {
            let this = this.clone();
            async move { Ok::<_, Infallible>(this.answer(request).await) }
        });
        let mut server = http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .header_read_timeout(self.settings.head_timeout())
            .max_buf_size(HEAD_BYTES_MAX);
        let socket = TokioIo::new(WriteDeadline::new(tcp, self.settings.write_timeout()));
        let mut served = pin!(server.serve_connection(socket, requests));
        let outcome = tokio::select! {
            outcome = served.as_mut() => outcome,
            () = listener::until(&mut ended) => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = outcome {
            let is_timeout = |error: &hyper::Error| {
                let source = std::error::Error::source(error);
                let io = source.and_then(|source| source.downcast_ref::<io::Error>());
                error.is_timeout() || io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
            };
            let reason = if is_timeout(&error) { Unserved::Slow } else { Unserved::Protocol };
            self.stats().count_unserved(reason);
            tracing::debug!(%error, "an HTTP connection failed");
        }
    }
}
