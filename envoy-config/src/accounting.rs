//! The books of every proxy: what its Envoy counted beside what the collector holds.
//!
//! In: Envoy's own counters and the collector's ledger. Out: a [`ProxyRow`] for each proxy.
//! Always: a proxy that the collector never heard of has a row of zeros, with all its requests unaccounted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde::Serialize;
use tokio::time::{self, Instant};

use crate::collector::LedgerRow;
use crate::envoy::HttpCounts;
use crate::mesh::Mesh;

/// Time between two looks. What stands still for so long has ended: Envoy writes its logs every 100 ms.
const PAUSE: Duration = Duration::from_millis(300);

/// The books of one proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProxyRow {
    /// Node id.
    pub proxy: String,
    /// Requests that its Envoy ended and that a filter could see.
    pub envoy_completed: u64,
    /// Requests that its filters say they have seen.
    pub seen: u64,
    /// Of these, arrived as records.
    pub delivered: u64,
    /// Arrived as counts.
    pub folded: u64,
    /// Lost, with a reason.
    pub dropped: u64,
    /// On their way.
    pub in_flight: u64,
    /// Requests that Envoy ended and of which the ledger says nothing, not even a reason.
    pub unaccounted: i64,
}

impl ProxyRow {
    fn new(envoy_completed: u64, ledger: LedgerRow) -> Self {
        let LedgerRow { proxy, seen, delivered, folded, dropped, in_flight, unaccounted } = ledger;
        let unseen =
            i64::try_from(envoy_completed).unwrap_or(i64::MAX) - i64::try_from(seen).unwrap_or(i64::MAX);
        let unaccounted = unaccounted.saturating_add(unseen);
        Self { proxy, envoy_completed, seen, delivered, folded, dropped, in_flight, unaccounted }
    }

    /// Whether each request that Envoy ended is in a count or in a loss counter.
    pub fn balances(&self) -> bool {
        self.unaccounted == 0 && self.in_flight == 0 && self.seen == self.envoy_completed
    }
}

impl fmt::Display for ProxyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, envoy_completed, seen, delivered, folded, dropped, in_flight, unaccounted } = self;
        write!(
            f,
            "{proxy}: Envoy ended {envoy_completed}, seen {seen} = delivered {delivered} + folded {folded}"
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

pub(crate) async fn at_rest(mesh: &Mesh, within: Duration) -> Result<Counts> {
    let deadline = Instant::now() + within;
    let mut before = Counts::new();
    loop {
        let counts = count(mesh).await?;
        let active: u64 = counts.values().map(|counts| counts.active).sum();
        if active == 0 && counts == before {
            return Ok(counts);
        }
        ensure!(Instant::now() < deadline, "the Envoys are not at rest; {active} requests under way");
        before = counts;
        time::sleep(PAUSE).await;
    }
}

/// The rows, and how many requests are in the books and in no series yet.
async fn looked(mesh: &Mesh, counts: &Counts) -> Result<(Vec<ProxyRow>, u64)> {
    Ok((compare(mesh, counts).await?, mesh.collector()?.waiting().await?))
}

pub(crate) async fn settled(mesh: &Mesh, within: Duration) -> Result<Vec<ProxyRow>> {
    let deadline = Instant::now() + within;
    let counts = at_rest(mesh, within).await?;
    loop {
        match looked(mesh, &counts).await {
            Ok((rows, 0)) if rows.iter().all(ProxyRow::balances) => return Ok(rows),
            // A collector that has just started may be busy, and a report may be on its way.
            _ if Instant::now() < deadline => time::sleep(PAUSE).await,
            Ok((rows, waiting)) => {
                let lines: Vec<String> = rows.iter().map(ToString::to_string).collect();
                bail!(
                    "the books do not balance, or requests wait for a name: {waiting}\n{}",
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
    fn what_envoy_ended_and_nobody_saw_is_unaccounted() {
        let check = |envoy_completed, seen, unaccounted, expected, balances| {
            let ledger = LedgerRow { seen, delivered: seen, unaccounted, ..LedgerRow::default() };
            let row = ProxyRow::new(envoy_completed, ledger);
            assert_eq!((row.unaccounted, row.balances()), (expected, balances), "{row}");
        };
        check(7, 7, 0, 0, true);
        check(7, 5, 0, 2, false);
        check(7, 7, 1, 1, false);
        check(7, 0, 0, 7, false);
        check(7, 8, -1, -2, false);
        check(7, 8, 1, 0, false);
    }
}
