//! The HTTP door: what people, Prometheus and Kubernetes ask.
//!
//! In: GET requests. Out: `/metrics`, `/healthz`, `/readyz`, and JSON below `/api/v1`. Always holds: nothing here changes
//! anything; an unknown path says which there are.

pub(crate) mod prometheus;
mod labels;
pub mod json;
mod metrics;

pub use json::edges::EdgeRow;
pub use json::failures::{FailureRow, FailureRows};
pub use json::filters::FilterRow;
pub use json::hops::{HopRow, Hops};
pub use json::in_flight::{OpenLongRow, OpenProxyRow, OpenRows};
pub use json::proxies::{Proxies, ProxyRow};
pub use json::tcp::ConnectionRow;
pub use json::windows::{EdgeLabels, EdgeWindows, InstanceRow, Instances, WindowRow, WindowRows};
pub use metrics::declared as metric_families;

use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::reader::EngineReader;
use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::Format;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Parts of an answer that wait for a slow reader.
const PARTS_MAX: usize = 4;

const PATHS: [&str; 11] = [
    "/metrics",
    "/healthz",
    "/readyz",
    "/api/v1/tcp",
    "/api/v1/edges",
    "/api/v1/failures",
    "/api/v1/hops",
    "/api/v1/instances",
    "/api/v1/in-flight",
    "/api/v1/proxies",
    "/api/v1/windows",
];

/// All routes.
pub fn router(state: Arc<EngineHandle>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/tcp", get(connections))
        .route("/api/v1/edges", get(edges))
        .route("/api/v1/failures", get(failures))
        .route("/api/v1/hops", get(hops))
        .route("/api/v1/instances", get(instances))
        .route("/api/v1/in-flight", get(open))
        .route("/api/v1/proxies", get(proxies))
        .route("/api/v1/windows", get(windows))
        .fallback(unknown)
        .with_state(state)
}

async fn ready(Shared(state): Shared<Arc<EngineHandle>>) -> Response {
    if state.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    "ready\n".into_response()
}

/// `?only=own` leaves out the families that have a series per edge.
async fn metrics(Shared(state): Shared<Arc<EngineHandle>>, uri: Uri, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::wanted(accept);
    let what = match uri.query() {
        None => metrics::What::All,
        Some("only=own") => metrics::What::Own,
        Some(query) => {
            let body = json!({"error": format!("`{query}` is not only=own")});
            return (StatusCode::BAD_REQUEST, Json(body)).into_response();
        }
    };
    let (parts, body) = mpsc::channel::<Result<Vec<u8>, Infallible>>(PARTS_MAX);
    let (looks, take) = EngineReader::new(state.clone());
    tokio::spawn(take);
    tokio::task::spawn_blocking(move || {
        metrics::render(&state, &looks, format, what, &mut |part| parts.blocking_send(Ok(part)).is_ok());
    });
    let body = Body::from_stream(ReceiverStream::new(body));
    ([(header::CONTENT_TYPE, format.content_type())], body).into_response()
}

async fn connections(Shared(state): Shared<Arc<EngineHandle>>) -> Response {
    let rows = state.read(|engine| json::tcp::rows(engine.edges(), engine.connections())).await;
    Json(json!({"connections": rows})).into_response()
}

async fn edges(Shared(state): Shared<Arc<EngineHandle>>) -> Response {
    let rows = state.read(|engine| json::edges::rows(engine.edges(), engine.aggregate())).await;
    Json(json!({"edges": rows})).into_response()
}

async fn failures(Shared(state): Shared<Arc<EngineHandle>>, uri: Uri) -> Response {
    match json::failures::Query::read(uri.query().unwrap_or_default()) {
        Ok(query) => {
            Json(state.read(|engine| json::failures::rows(engine.failures(), &query)).await).into_response()
        }
        Err(problem) => (StatusCode::BAD_REQUEST, Json(json!({"error": problem}))).into_response(),
    }
}

async fn hops(Shared(state): Shared<Arc<EngineHandle>>) -> Response {
    Json(state.read(|engine| json::hops::rows(engine.join())).await).into_response()
}

async fn instances(Shared(state): Shared<Arc<EngineHandle>>, uri: Uri) -> Response {
    match json::windows::Query::read(uri.query().unwrap_or_default()) {
        Ok(query) => {
            Json(state.read(|engine| json::windows::instances(engine, &query, state.now_us())).await)
                .into_response()
        }
        Err(problem) => (StatusCode::BAD_REQUEST, Json(json!({"error": problem}))).into_response(),
    }
}

async fn open(Shared(state): Shared<Arc<EngineHandle>>) -> Response {
    Json(state.read(|engine| json::in_flight::rows(engine.in_flight(), state.now_us())).await)
        .into_response()
}

async fn proxies(Shared(state): Shared<Arc<EngineHandle>>, uri: Uri) -> Response {
    let since = match uri.query() {
        None => None,
        Some(query) => match query.strip_prefix("since_s=").and_then(|seconds| seconds.parse::<u64>().ok()) {
            Some(seconds) => Some(seconds),
            None => {
                let body = json!({"error": format!("`{query}` is not since_s=SECONDS")});
                return (StatusCode::BAD_REQUEST, Json(body)).into_response();
            }
        },
    };
    let since_us = since.map(|seconds| state.now_us().saturating_sub(seconds.saturating_mul(1_000_000)));
    let rows = state.read(|engine| {
        let open = json::in_flight::by_proxy(engine.in_flight(), state.now_us());
        json::proxies::rows(engine.ledger(), engine.address_book(), since_us, state.now_us())
            .with_open(&open)
    });
    Json(rows.await).into_response()
}

async fn windows(Shared(state): Shared<Arc<EngineHandle>>, uri: Uri) -> Response {
    match json::windows::Query::read(uri.query().unwrap_or_default()) {
        Ok(query) => Json(state.read(|engine| json::windows::windows(engine, &query, state.now_us())).await)
            .into_response(),
        Err(problem) => (StatusCode::BAD_REQUEST, Json(json!({"error": problem}))).into_response(),
    }
}

async fn unknown(uri: Uri) -> Response {
    let body = json!({"error": format!("there is no {}", uri.path()), "paths": PATHS});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
