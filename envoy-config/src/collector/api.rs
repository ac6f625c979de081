//! What the collector answers, as far as the mesh asks.
//!
//! In: its JSON and its metrics. Out: rows and figures.
//! Always: fields that the mesh does not know are passed over, so that the API can grow.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::fetch;

/// One series of an edge: counts since the collector's start.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct EdgeRow {
    /// `source` or `destination`.
    pub reporter: String,
    /// Calling workload.
    pub source_workload: String,
    /// Its version.
    pub source_version: String,
    /// Called workload.
    pub destination_workload: String,
    /// Its version.
    pub destination_version: String,
    /// Called service.
    pub destination_service: String,
    /// HTTP status; `0` without one.
    pub response_code: String,
    /// Envoy's flags; `-` without one.
    pub response_flags: String,
    /// What the name of the other side rests on.
    #[serde(default)]
    pub peer_evidence: String,
    /// Requests.
    pub requests: u64,
    /// Whether they count as failed.
    #[serde(default)]
    pub failed: bool,
    /// Half of the requests were as quick as this, in microseconds.
    #[serde(default)]
    pub duration_p50_us: f64,
    /// 99 of 100 requests were as quick as this, in microseconds.
    #[serde(default)]
    pub duration_p99_us: f64,
    /// The slowest request, in microseconds.
    #[serde(default)]
    pub duration_max_us: u64,
}

/// The books of one proxy, over all its epochs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct LedgerRow {
    /// Its node id.
    pub proxy: String,
    /// Requests that its filters saw.
    pub seen: u64,
    /// Of these, arrived as records.
    pub delivered: u64,
    /// Arrived as counts.
    pub folded: u64,
    /// Lost, with a reason.
    pub dropped: u64,
    /// On their way.
    pub in_flight: u64,
    /// What the equation leaves over.
    pub unaccounted: i64,
}

#[derive(Deserialize)]
struct Edges {
    edges: Vec<EdgeRow>,
}

#[derive(Deserialize)]
struct Proxies {
    proxies: Vec<LedgerRow>,
}

pub(super) async fn edges(collector: SocketAddr) -> Result<Vec<EdgeRow>> {
    Ok(read::<Edges>(collector, "/api/v1/edges").await?.edges)
}

pub(super) async fn ledgers(collector: SocketAddr) -> Result<Vec<LedgerRow>> {
    Ok(read::<Proxies>(collector, "/api/v1/proxies").await?.proxies)
}

pub(super) async fn waiting(collector: SocketAddr) -> Result<u64> {
    let text = fetch::text(collector, "/metrics?only=own").await?;
    let [counted, failed] = ["hopscope_waiting_requests", "hopscope_failures_waiting"];
    Ok(sample(&text, counted)? + sample(&text, failed)?)
}

/// The value of a sample without labels.
fn sample(text: &str, name: &str) -> Result<u64> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = values.next().with_context(|| format!("the collector does not tell {name}"))?;
    value.parse().with_context(|| format!("failed to understand the collector's {name} {value}"))
}

async fn read<T: DeserializeOwned>(collector: SocketAddr, path: &str) -> Result<T> {
    let document = fetch::json(collector, path).await?;
    serde_json::from_value(document).with_context(|| format!("failed to understand the collector's {path}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_that_are_not_known_are_passed_over() {
        let edges = json!({"edges": [{
            "reporter": "source", "source_workload": "shop", "source_version": "v1", "source_namespace": "shop",
            "destination_workload": "payments", "destination_version": "v2", "destination_namespace": "shop",
            "destination_service": "payments.shop.svc.cluster.local", "response_code": "504",
            "response_flags": "UT", "grpc_response_status": "", "request_protocol": "http", "requests": 7,
            "failed": true, "duration_p50_us": 300_100.5, "duration_p99_us": 301_000.0,
            "duration_max_us": 302_000,
        }]});
        let edges: Edges = serde_json::from_value(edges).unwrap();
        assert_eq!((edges.edges[0].requests, edges.edges[0].failed), (7, true));

        let proxies = json!({"proxies": [{
            "proxy": "sidecar~a~b~c", "epochs": 3, "seen": 9, "delivered": 4, "folded": 2, "dropped": 1,
            "drops": {"collector_restart": 1}, "in_flight": 1, "duplicates": 0, "unaccounted": 1,
        }], "total": {}});
        let proxies: Proxies = serde_json::from_value(proxies).unwrap();
        assert_eq!((proxies.proxies[0].seen, proxies.proxies[0].unaccounted), (9, 1));
    }

    #[test]
    fn a_sample_is_found_by_its_whole_name() {
        let text = "# TYPE waiting gauge\nwaiting_groups 9\nwaiting 4\n";
        assert_eq!(sample(text, "waiting").unwrap(), 4);
        assert!(sample(text, "unknown").is_err());
        assert!(sample("waiting x\n", "waiting").is_err());
    }
}
