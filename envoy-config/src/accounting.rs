//! Accounting of every proxy: Envoy's own count beside the collector's ledger.
//!
//! In: Envoy's own counters and the collector's ledger. Out: a [`ProxyRow`] for each proxy.
//! Invariant: a proxy that the collector does not know has a row of zeros, with all its requests
//! unaccounted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde::Serialize;
use tokio::time::{self, Instant};

use crate::collector::LedgerRow;
use crate::envoy::HttpCounts;
use crate::mesh::Mesh;

/// Time between two reads. Counters that do not change meanwhile are final: Envoy writes its logs
/// every 100 ms.
const PAUSE: Duration = Duration::from_millis(300);

/// Accounting of one proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProxyRow {
    /// Requests that the Envoy completed and that a filter could see.
    pub envoy_completed: u64,
    /// Ledger of the proxy; its unaccounted requests include those that no filter saw.
    #[serde(flatten)]
    pub ledger: LedgerRow,
}

impl ProxyRow {
    fn new(envoy_completed: u64, mut ledger: LedgerRow) -> Self {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let unseen = signed(envoy_completed) - signed(ledger.seen);
        ledger.unaccounted = ledger.unaccounted.saturating_add(unseen);
        Self { envoy_completed, ledger }
    }

    /// Whether each completed request is in a count or in a loss counter.
    pub fn balances(&self) -> bool {
        let LedgerRow { unaccounted, in_flight, seen, .. } = self.ledger;
        unaccounted == 0 && in_flight == 0 && seen == self.envoy_completed
    }
}

impl fmt::Display for ProxyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { envoy_completed, ledger } = self;
        let LedgerRow { proxy, seen, delivered, folded, dropped, in_flight, unaccounted } = ledger;
        write!(
            f,
            "{proxy}: Envoy completed {envoy_completed}, seen {seen} = delivered {delivered} + folded {folded}"
        )?;
        write!(f, " + dropped {dropped} + in flight {in_flight}; unaccounted {unaccounted}")
    }
}

/// Envoy's own counts, by workload id.
pub(crate) type Counts = BTreeMap<String, HttpCounts>;

async fn count(mesh: &Mesh) -> Result<Counts> {
    let mut counts = Counts::new();
    for (workload, envoy) in mesh.envoys() {
        counts.insert(workload.clone(), envoy.stats().await?);
    }
    Ok(counts)
}

async fn compare(mesh: &Mesh, counts: &Counts) -> Result<Vec<ProxyRow>> {
    let mut ledgers = mesh.collector()?.ledgers().await?;
    let row = |(workload, counts): (&String, &HttpCounts)| {
        let proxy = mesh.node_id(workload)?;
        let known = ledgers.iter().position(|ledger| ledger.proxy == proxy);
        let ledger = known.map(|at| ledgers.swap_remove(at));
        let ledger = ledger.unwrap_or_else(|| LedgerRow { proxy, ..LedgerRow::default() });
        Ok(ProxyRow::new(counts.completed(), ledger))
    };
    counts.iter().map(row).collect()
}

pub(crate) async fn read(mesh: &Mesh) -> Result<Vec<ProxyRow>> {
    compare(mesh, &count(mesh).await?).await
}

pub(crate) async fn idle(mesh: &Mesh, within: Duration) -> Result<Counts> {
    let deadline = Instant::now() + within;
    let mut before = Counts::new();
    loop {
        let counts = count(mesh).await?;
        let active: u64 = counts.values().map(|counts| counts.active).sum();
        if active == 0 && counts == before {
            return Ok(counts);
        }
        ensure!(Instant::now() < deadline, "the Envoys are not idle; {active} requests in flight");
        before = counts;
        time::sleep(PAUSE).await;
    }
}

/// The rows, and the number of requests that are in the ledger and in no series yet.
async fn rows_and_pending(mesh: &Mesh, counts: &Counts) -> Result<(Vec<ProxyRow>, u64)> {
    Ok((compare(mesh, counts).await?, mesh.collector()?.pending().await?))
}

pub(crate) async fn balanced(mesh: &Mesh, within: Duration) -> Result<Vec<ProxyRow>> {
    let deadline = Instant::now() + within;
    let counts = idle(mesh, within).await?;
    loop {
        match rows_and_pending(mesh, &counts).await {
            Ok((rows, 0)) if rows.iter().all(ProxyRow::balances) => return Ok(rows),
            // The collector may be busy after a start, and a report may be on its way.
            _ if Instant::now() < deadline => time::sleep(PAUSE).await,
            Ok((rows, pending)) => {
                let lines: Vec<String> = rows.iter().map(ToString::to_string).collect();
                bail!(
                    "the ledger does not balance, or requests are pending resolution: {pending}\n{}",
                    lines.join("\n")
                );
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completed_request_that_no_filter_saw_is_unaccounted() {
        let check = |envoy_completed, seen, unaccounted, expected, balances| {
            let ledger = LedgerRow { seen, delivered: seen, unaccounted, ..LedgerRow::default() };
            let row = ProxyRow::new(envoy_completed, ledger);
            assert_eq!((row.ledger.unaccounted, row.balances()), (expected, balances), "{row}");
        };
        check(7, 7, 0, 0, true);
        check(7, 5, 0, 2, false);
        check(7, 7, 1, 1, false);
        check(7, 0, 0, 7, false);
        check(7, 8, -1, -2, false);
        check(7, 8, 1, 0, false);
    }
}
