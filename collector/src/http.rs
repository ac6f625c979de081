//! The HTTP server: `/metrics`, `/healthz`, `/readyz`, and the JSON API below `/api/v1`.
//!
//! Invariant: no request changes anything; the answer to an unknown path lists the known ones. At
//! most `http.scrapes_max` expositions are rendered at a time.

pub mod listener;
pub mod settings;
mod host;
pub(crate) mod prometheus;
mod compression;
pub mod json;
mod metrics;

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
use crate::runtime::self_metrics::http::Refused;
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
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;

/// Parts of an answer that are buffered for a slow client.
const PARTS_MAX: usize = 4;

/// Paths beside those of the JSON API.
const PATHS: [&str; 3] = ["/metrics", "/healthz", "/readyz"];

/// Time for which a scrape waits for its permit.
const SCRAPE_WAIT: Duration = Duration::from_secs(1);
/// Longest time without a tick of the engine until `/healthz` fails.
const TICK_AGE_MAX: Duration = Duration::from_secs(60);

/// State of the handlers.
#[derive(Clone)]
struct Api {
    handle: Arc<EngineHandle>,
    /// Runtime of the engine; reads of the engine run there.
    engine: tokio::runtime::Handle,
    scrapes: Arc<Semaphore>,
    settings: Settings,
}

/// Routes of all paths. Called within the runtime of the engine.
pub fn router(handle: Arc<EngineHandle>, settings: &Settings) -> Router {
    let engine = tokio::runtime::Handle::current();
    let scrapes = Arc::new(Semaphore::new(settings.scrapes_max));
    let api = Api { handle, engine, scrapes, settings: settings.clone() };
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(api.clone())
        .merge(json::router(api.handle, api.engine, settings))
        .fallback(unknown)
}

async fn healthy(Shared(api): Shared<Api>) -> Response {
    let age = api.handle.tick_age();
    if age > TICK_AGE_MAX {
        let text = format!("the engine has not advanced for {} s\n", age.as_secs());
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    "ok\n".into_response()
}

async fn ready(Shared(api): Shared<Api>) -> Response {
    if api.handle.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    if api.handle.stats().journal().is_some_and(|journal| journal.is_detached.load(Ordering::Relaxed)) {
        let text = "the data directory was removed or replaced; restart the collector\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    "ready\n".into_response()
}

/// `?only=own` selects the families without a series per edge.
async fn metrics(Shared(api): Shared<Api>, uri: Uri, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::wanted(accept);
    let encoding = Encoding::wanted(&headers, api.settings.compression);
    let scope = match uri.query() {
        None => metrics::Scope::All,
        Some("only=own") => metrics::Scope::Own,
        Some(query) => {
            let problem = format!("unknown parameters `{query}`: allowed is only=own");
            return json::error(StatusCode::BAD_REQUEST, &problem);
        }
    };
    let Ok(Ok(permit)) = timeout(SCRAPE_WAIT, api.scrapes.acquire_owned()).await else {
        return busy(&api.handle, "too many scrapes at a time");
    };
    let (parts, body) = mpsc::channel::<Result<Vec<u8>, Infallible>>(PARTS_MAX);
    let (reader, reads) = EngineReader::new(api.handle.clone());
    api.engine.spawn(reads);
    let (handle, deadline) = (api.handle, Instant::now() + api.settings.answer_timeout());
    let answers = tokio::runtime::Handle::current();
    let page = metrics::Page { format, scope, encoding, created_samples: api.settings.created_samples };
    let rendering = render_thread::spawn(move || {
        let _permit = permit;
        page.render(&handle, &reader, &mut |part| match answers
            .block_on(async { timeout_at(deadline, parts.send(Ok(part))).await })
        {
            Ok(sent) => sent.is_ok(),
            Err(_) => {
                handle.stats().http().count_refused(Refused::Slow);
                false
            }
        });
    });
    if let Err(problem) = rendering {
        return json::error(StatusCode::SERVICE_UNAVAILABLE, &format!("no thread to render: {problem}"));
    }
    let mut response = Body::from_stream(ReceiverStream::new(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response.headers_mut().extend(encoding.headers());
    response
}

/// Refuses a request that would take memory and processor time which others use.
fn busy(handle: &EngineHandle, text: &str) -> Response {
    handle.stats().http().count_refused(Refused::Busy);
    let mut response = json::error(StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

async fn unknown(uri: Uri) -> Response {
    let paths: Vec<&str> = PATHS.iter().chain(json::PATHS).copied().collect();
    let body = json!({"error": format!("unknown path {}", uri.path()), "paths": paths});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
