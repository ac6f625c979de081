//! The JSON API: one file per endpoint, with its `PATH`, its parameters (`Query`), and its `rows`.
//!
//! Every endpoint returns one list, page by page (see `json/page.rs`). A handler never holds the engine:
//! a render thread reads rows in slices through the [`EngineReader`], and renders them
//! afterwards.
//!
//! Invariant: at most `ANSWERS_MAX` answers are rendered at a time, so that clients which poll in
//! a loop do not take the processor time of ingestion.

pub(crate) mod edge_filter;
pub(crate) mod edges;
pub(crate) mod failures;
pub(crate) mod filters;
pub(crate) mod hops;
pub(crate) mod in_flight;
pub(crate) mod in_flight_long;
pub(crate) mod instances;
pub(crate) mod labels;
pub(crate) mod page;
pub(crate) mod parameters;
pub(crate) mod proxies;
pub(crate) mod tcp;
pub(crate) mod windows;

use crate::http::Settings;
use crate::http::compression::{self, Encoding};
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::reader::EngineReader;
use crate::runtime::render_thread;
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use page::View;
use parameters::{BadParameter, Parameters};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Answers that are rendered at a time.
const ANSWERS_MAX: usize = 2;

/// Declares the paths, the routes and the parameters of all endpoints.
macro_rules! endpoints {
    ($($endpoint:ident),+ $(,)?) => {
        /// Paths of all endpoints, in the order of the documentation.
        pub(super) const PATHS: &[&str] = &[$($endpoint::PATH),+];

        /// Routes of all endpoints.
        pub(super) fn router(handle: Arc<EngineHandle>, engine: Handle, settings: &Settings) -> Router {
            let permits = Arc::new(Semaphore::new(ANSWERS_MAX));
            let api = Api { handle, engine, permits, settings: settings.clone() };
            Router::new()
                $(.route($endpoint::PATH, get(async |State(api): State<Api>, uri: Uri, headers: HeaderMap| {
                    let encoding = Encoding::wanted(&headers, api.settings.compression);
                    answer(api, encoding, uri, $endpoint::Query::read, $endpoint::rows).await
                })))+
                .with_state(api)
        }

        /// Parameters of each endpoint.
        #[cfg(test)]
        fn known_parameters() -> Vec<Vec<&'static str>> {
            vec![$({
                let mut parameters = Parameters::default();
                assert!($endpoint::Query::read(&mut parameters).is_ok());
                parameters.known().to_vec()
            }),+]
        }
    };
}

endpoints! {
    edges,
    tcp,
    hops,
    instances,
    windows,
    in_flight,
    in_flight_long,
    failures,
    proxies,
}

/// State of the handlers.
#[derive(Clone)]
struct Api {
    handle: Arc<EngineHandle>,
    /// Runtime of the engine; reads of the engine run there.
    engine: Handle,
    permits: Arc<Semaphore>,
    settings: Settings,
}

async fn answer<Q: Send + 'static, R: Serialize + 'static>(
    Api { handle, engine, permits, settings }: Api,
    encoding: Encoding,
    uri: Uri,
    read: fn(&mut Parameters) -> Result<Q, BadParameter>,
    rows: fn(&View, &Q) -> Option<R>,
) -> Response {
    let mut parameters = Parameters::parse(uri.query().unwrap_or_default());
    let query = match read(&mut parameters).and_then(|query| parameters.finish().map(|()| query)) {
        Ok(query) => query,
        Err(problem) => return error(StatusCode::BAD_REQUEST, &problem.to_string()),
    };
    let Ok(Ok(permit)) = timeout(settings.answer_timeout(), permits.acquire_owned()).await else {
        return super::busy(&handle, "too many answers at a time");
    };
    let now_us = handle.now_us();
    let (reader, reads) = EngineReader::new(handle);
    engine.spawn(reads);
    let body = render_thread::spawn(move || {
        let _permit = permit;
        let body = rows(&View::new(reader, now_us), &query).map(|rows| serde_json::to_vec(&rows))?;
        Some(body.map(|body| compression::whole(encoding, body)))
    });
    let body = match body {
        Ok(body) => body,
        Err(problem) => {
            return error(StatusCode::SERVICE_UNAVAILABLE, &format!("no thread to render: {problem}"));
        }
    };
    match body.await {
        Ok(Some(Ok((encoding, body)))) => {
            let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
            response.headers_mut().extend(encoding.headers());
            response
        }
        Ok(Some(Err(problem))) => error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string()),
        Ok(None) | Err(_) => stopping(),
    }
}

fn stopping() -> Response {
    error(StatusCode::SERVICE_UNAVAILABLE, "the collector is stopping")
}

/// An answer with an error text.
pub(super) fn error(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({"error": text}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::{PATHS, known_parameters};

    /// Lines of the documentation: path, and parameters.
    fn documented() -> Vec<(String, String)> {
        let text = include_str!("../../../docs/collector.md");
        let lines = text.lines().filter(|line| line.starts_with("| `/api/v1/"));
        let cell =
            |line: &str, index: usize| line.split('|').nth(index).unwrap_or_default().trim().replace('`', "");
        lines.map(|line| (cell(line, 1), cell(line, 3))).collect()
    }

    #[test]
    fn the_documentation_lists_all_endpoints_with_their_parameters() {
        let every = ["limit", "cursor"];
        let own = known_parameters().into_iter().map(|names| {
            assert!(names.ends_with(&every));
            let own: Vec<_> = names.into_iter().filter(|name| !every.contains(name)).collect();
            if own.is_empty() { "–".to_owned() } else { own.join(", ") }
        });
        let expected: Vec<_> = PATHS.iter().map(ToString::to_string).zip(own).collect();
        assert_eq!(documented(), expected);
    }
}
