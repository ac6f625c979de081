//! Behaviour of an application for one request.
//!
//! In: a request, perhaps with the name of a fault. Out: an answer, or a closed connection.
//! Invariant: only the workload that the topology names causes a fault; all others pass its name
//! on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use tokio::time;

use super::upstream::Upstream;
use crate::fault::{self, Fault};
use crate::topology::{Call, Cause, Topology, Workload};

/// Behaviour of one application.
#[derive(Debug)]
pub(super) struct Behavior {
    topology: Arc<Topology>,
    workload: Workload,
    upstream: Upstream,
}

/// The application closed the connection instead of answering.
#[derive(Debug)]
pub(super) struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the application hung up")
    }
}

impl std::error::Error for HungUp {}

impl Behavior {
    pub(super) fn new(topology: &Arc<Topology>, workload: &Workload, upstream: Upstream) -> Self {
        Self { topology: Arc::clone(topology), workload: workload.clone(), upstream }
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, HungUp> {
        let cause = self.acted_cause(&request);
        if cause.is_some_and(|cause| cause.hangs_up) {
            return Err(HungUp);
        }
        if let Some(works_ms) = cause.and_then(|cause| cause.works_ms) {
            time::sleep(Duration::from_millis(works_ms)).await;
        }
        if let Some(status) = cause.and_then(|cause| cause.answers) {
            return Ok(
                self.respond(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            );
        }
        let status = match self.call_of(cause) {
            Some(call) => self.upstream.call(call, request.headers()).await,
            None => StatusCode::OK,
        };
        Ok(self.respond(status))
    }

    /// Cause of the request's fault, if this workload has to cause it.
    fn acted_cause<B>(&self, request: &Request<B>) -> Option<&Cause> {
        let name = request.headers().get(fault::HEADER)?;
        let fault: Fault = name.to_str().ok()?.parse().ok()?;
        let cause = self.topology.cause(fault).ok()?;
        let acts = cause.at.as_ref() == Some(&self.workload.name)
            && cause.attempts.is_none_or(|attempts| attempt(request) <= attempts);
        acts.then_some(cause)
    }

    fn call_of<'a>(&'a self, cause: Option<&'a Cause>) -> Option<&'a Call> {
        let instead = cause.and_then(|cause| cause.calls.as_ref());
        instead.or_else(|| self.workload.application.as_ref()?.calls.as_ref())
    }

    fn respond(&self, status: StatusCode) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(format!("{}\n", self.workload.id())));
        *response.status_mut() = status;
        response
    }
}

/// Number of the attempt, as the caller's Envoy counts them.
fn attempt<B>(request: &Request<B>) -> u32 {
    let number = request.headers().get("x-envoy-attempt-count");
    number.and_then(|number| number.to_str().ok()?.parse().ok()).unwrap_or(1)
}
