//! The HTTP server behind the Envoy.
//!
//! In: `/SERVICE/ok` and `/SERVICE/fail`. Out: 200 with two bytes, and 503.
//! Invariant: the server ends with its [`Origin`].

use anyhow::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running HTTP server.
pub(crate) struct Origin {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Origin {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("failed to bind the origin")?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener));
        Ok(Self { address, _tasks: tasks })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // Without it the connection is slower.
        let _ = stream.set_nodelay(true);
        connections.spawn(async move {
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            // An error means that the client closed the connection.
            let _ = served.await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"ok")));
    if request.uri().path().ends_with("/fail") {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}
