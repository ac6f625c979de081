//! The HTTP server: `/metrics`, `/healthz`, `/readyz`, and the JSON API below `/api/v1`.
//!
//! Invariant: no request changes anything; the answer to an unknown path lists the known ones.

pub(crate) mod prometheus;
mod compression;
pub mod json;
mod metrics;
mod settings;

pub use json::edges::{EdgeRow, EdgeRows};
pub use json::failures::{FailureRow, FailureRows};
pub use json::filters::FilterRow;
pub use json::hops::{HopRow, Hops, MatrixCell};
pub use json::in_flight::{InFlightRow, InFlightRows};
pub use json::in_flight_long::{LongRow, LongRows};
pub use json::instances::{InstanceRow, Instances};
pub use json::labels::{EdgeLabels, OutcomeLabels};
pub use json::proxies::{Proxies, ProxyRow};
pub use json::tcp::{ConnectionRow, ConnectionRows};
pub use json::windows::{EdgeWindows, WindowRow, WindowRows};
pub use settings::Settings;

use crate::http::compression::Encoding;
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::reader::EngineReader;
use crate::runtime::render_thread;
use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::Format;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Parts of an answer that are buffered for a slow client.
const PARTS_MAX: usize = 4;

/// Paths beside those of the JSON API.
const PATHS: [&str; 3] = ["/metrics", "/healthz", "/readyz"];

/// Routes of all paths.
pub fn router(state: Arc<EngineHandle>, settings: &Settings) -> Router {
    Router::new()
        .route("/readyz", get(ready))
        .with_state(state.clone())
        .route("/healthz", get(async || "ok\n"))
        .route("/metrics", get(metrics))
        .with_state((state.clone(), settings.clone()))
        .merge(json::router(state, settings.compression))
        .fallback(unknown)
}

async fn ready(Shared(state): Shared<Arc<EngineHandle>>) -> Response {
    if state.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    "ready\n".into_response()
}

/// `?only=own` selects the families without a series per edge.
async fn metrics(
    Shared((state, settings)): Shared<(Arc<EngineHandle>, Settings)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::wanted(accept);
    let encoding = Encoding::wanted(&headers, settings.compression);
    let scope = match uri.query() {
        None => metrics::Scope::All,
        Some("only=own") => metrics::Scope::Own,
        Some(query) => {
            let problem = format!("unknown parameters `{query}`: allowed is only=own");
            return json::error(StatusCode::BAD_REQUEST, &problem);
        }
    };
    let (parts, body) = mpsc::channel::<Result<Vec<u8>, Infallible>>(PARTS_MAX);
    let (reader, reads) = EngineReader::new(state.clone());
    tokio::spawn(reads);
    let page = metrics::Page { format, scope, encoding, created_samples: settings.created_samples };
    let rendering = render_thread::spawn(move || {
        page.render(&state, &reader, &mut |part| parts.blocking_send(Ok(part)).is_ok());
    });
    if let Err(problem) = rendering {
        return json::error(StatusCode::SERVICE_UNAVAILABLE, &format!("no thread to render: {problem}"));
    }
    let mut response = Body::from_stream(ReceiverStream::new(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response.headers_mut().extend(encoding.headers());
    response
}

async fn unknown(uri: Uri) -> Response {
    let paths: Vec<&str> = PATHS.iter().chain(json::PATHS).copied().collect();
    let body = json!({"error": format!("unknown path {}", uri.path()), "paths": paths});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
