//! Calls of an application through its own Envoy, without traffic capture.
//!
//! In: a call and the headers of the request that caused it. Out: the status of the answer.
//! Invariant: a call comes from the workload's own address, as from a pod, and ends within
//! [`DEADLINE`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time;

use crate::address_plan::PodAddresses;
use crate::fault;
use crate::repeat::{self, Repeat};
use crate::topology::{Call, Topology};

/// Longest wait for an answer; every fault of the topology takes less.
const DEADLINE: Duration = Duration::from_secs(60);

/// Idle connections to its Envoy that an application keeps.
const IDLE_MAX: usize = 64;

/// Longest answer.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Headers that an application passes on, as every traced application has to.
const PASSED_ON: [&str; 3] = [fault::HEADER, repeat::HEADER, "x-request-id"];

/// The HTTP client of an application.
#[derive(Debug)]
pub(super) struct Upstream {
    topology: Arc<Topology>,
    envoy: SocketAddr,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Upstream {
    pub(super) fn new(topology: &Arc<Topology>, pod: &PodAddresses) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(Some(IpAddr::V4(pod.ip)));
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        Self {
            topology: Arc::clone(topology),
            envoy: (pod.ip, pod.outbound).into(),
            client: builder.pool_max_idle_per_host(IDLE_MAX).build(connector),
        }
    }

    /// Calls as often as the request asks for and returns the highest status; 502 without an
    /// answer.
    pub(super) async fn call(&self, call: &Call, caused_by: &HeaderMap) -> StatusCode {
        let named = caused_by.get(repeat::HEADER).map(|name| Repeat::of(name.as_bytes()));
        let (first, second) = match named.unwrap_or_default() {
            Repeat::Once => return self.call_once(call, caused_by).await,
            Repeat::InTurn => (self.call_once(call, caused_by).await, self.call_once(call, caused_by).await),
            Repeat::Together => {
                tokio::join!(self.call_once(call, caused_by), self.call_once(call, caused_by))
            }
        };
        first.max(second)
    }

    async fn call_once(&self, call: &Call, caused_by: &HeaderMap) -> StatusCode {
        match time::timeout(DEADLINE, self.exchange(call, caused_by)).await {
            Ok(Ok(status)) => status,
            Ok(Err(_)) => StatusCode::BAD_GATEWAY,
            Err(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    async fn exchange(&self, call: &Call, caused_by: &HeaderMap) -> Result<StatusCode> {
        let authority = format!("{}:{}", self.topology.host_of(&call.service), self.topology.service_port);
        let mut request =
            Request::get(format!("http://{}{}", self.envoy, call.path)).header(header::HOST, authority);
        for name in PASSED_ON {
            if let Some(value) = caused_by.get(name) {
                request = request.header(name, value);
            }
        }
        let response = self.client.request(request.body(Empty::new())?).await?;
        let status = response.status();
        // Read to its end, so that the connection can be used again.
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        body.map_err(anyhow::Error::from_boxed)?;
        Ok(status)
    }
}
