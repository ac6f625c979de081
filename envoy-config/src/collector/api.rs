//! Client of the collector's HTTP API.
//!
//! In: JSON and metrics of the collector. Out: rows and figures.
//! Invariant: unknown fields are ignored, so that the API can grow; a list is read to its last
//! page.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fetch;

/// One series of an edge, counted since the collector's start.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct EdgeRow {
    /// `source` or `destination`.
    pub reporter: String,
    /// Workload of the source.
    pub source_workload: String,
    /// Version of the source.
    pub source_version: String,
    /// Workload of the destination.
    pub destination_workload: String,
    /// Version of the destination.
    pub destination_version: String,
    /// Service of the destination.
    pub destination_service: String,
    /// HTTP status; `0` without one.
    pub response_code: String,
    /// Envoy's flags; `-` without one.
    pub response_flags: String,
    /// Evidence for the name of the other side.
    #[serde(default)]
    pub peer_evidence: String,
    /// Requests.
    pub requests: u64,
    /// Whether the requests count as failed.
    #[serde(default)]
    pub failed: bool,
    /// Median duration, microseconds.
    #[serde(default)]
    pub duration_p50_us: f64,
    /// 99th percentile of the duration, microseconds.
    #[serde(default)]
    pub duration_p99_us: f64,
    /// Longest duration, microseconds.
    #[serde(default)]
    pub duration_max_us: u64,
}

/// Ledger of one proxy, over all its epochs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct LedgerRow {
    /// Node id.
    pub proxy: String,
    /// Requests that the filters have seen.
    pub seen: u64,
    /// Seen requests that arrived as records.
    pub delivered: u64,
    /// Seen requests that arrived in folds.
    pub folded: u64,
    /// Seen requests that were lost, with a reason.
    pub dropped: u64,
    /// Seen requests that are buffered or on their way.
    pub in_flight: u64,
    /// Seen requests without an account.
    pub unaccounted: i64,
}

pub(super) async fn edges(collector: SocketAddr) -> Result<Vec<EdgeRow>> {
    rows(collector, "/api/v1/edges", "edges").await
}

pub(super) async fn ledgers(collector: SocketAddr) -> Result<Vec<LedgerRow>> {
    rows(collector, "/api/v1/proxies", "proxies").await
}

pub(super) async fn pending(collector: SocketAddr) -> Result<u64> {
    let text = fetch::text(collector, "/metrics?only=own").await?;
    let [counted, failed] = ["hopscope_identity_pending_requests", "hopscope_failures_pending"];
    Ok(sample(&text, counted)? + sample(&text, failed)?)
}

/// Value of a sample without labels.
fn sample(text: &str, name: &str) -> Result<u64> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = values.next().with_context(|| format!("the collector has no metric {name}"))?;
    value.parse().with_context(|| format!("failed to understand the collector's {name} {value}"))
}

async fn rows<T: DeserializeOwned>(collector: SocketAddr, path: &str, field: &str) -> Result<Vec<T>> {
    let rows = fetch::list(collector, path, field).await?;
    let rows = rows.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
    rows.with_context(|| format!("failed to understand the collector's {path}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_are_ignored() {
        let edge = json!({
            "reporter": "source", "source_workload": "shop", "source_version": "v1", "source_namespace": "shop",
            "destination_workload": "payments", "destination_version": "v2", "destination_namespace": "shop",
            "destination_service": "payments.shop.svc.cluster.local", "response_code": "504",
            "response_flags": "UT", "grpc_response_status": "", "request_protocol": "http", "requests": 7,
            "failed": true, "duration_p50_us": 300_100.5, "duration_p99_us": 301_000.0,
            "duration_max_us": 302_000,
        });
        let edge: EdgeRow = serde_json::from_value(edge).unwrap();
        assert_eq!((edge.requests, edge.failed), (7, true));

        let proxy = json!({
            "proxy": "sidecar~a~b~c", "epochs": 3, "seen": 9, "delivered": 4, "folded": 2, "dropped": 1,
            "drops": {"collector_restart": 1}, "in_flight": 1, "duplicates": 0, "unaccounted": 1,
        });
        let proxy: LedgerRow = serde_json::from_value(proxy).unwrap();
        assert_eq!((proxy.seen, proxy.unaccounted), (9, 1));
    }

    #[test]
    fn a_sample_is_found_by_its_whole_name() {
        let text = "# TYPE waiting gauge\nwaiting_groups 9\nwaiting 4\n";
        assert_eq!(sample(text, "waiting").unwrap(), 4);
        assert!(sample(text, "unknown").is_err());
        assert!(sample("waiting x\n", "waiting").is_err());
    }
}
