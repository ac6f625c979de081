//! Edges of the mesh, one line for each reporter.
//!
//! In: the collector's rows, one for each outcome. Out: a [`Line`] for each edge and reporter.
//! Invariant: counts are sums. Quantiles of several rows are those of the mixture of their
//! distributions, each interpolated through p50, p99 and maximum: approximate, for display only.

use std::collections::BTreeMap;

use crate::collector::EdgeRow;

/// Halvings in the search for a quantile: an hour becomes less than a microsecond.
const HALVINGS: u32 = 40;

/// Names of an unknown workload or version.
const UNKNOWN: [&str; 2] = ["", "unknown"];

/// An edge with its reporter, in the order of the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) source: String,
    pub(super) destination: String,
    // `source` is before `destination`.
    reporter: std::cmp::Reverse<String>,
}

/// Figures of one edge by one reporter.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) requests: u64,
    pub(super) failed: u64,
    /// Requests by flag.
    pub(super) flags: BTreeMap<String, u64>,
    rows: Vec<EdgeRow>,
}

impl Edge {
    fn of(row: &EdgeRow) -> Self {
        let destination = if UNKNOWN.contains(&row.destination_workload.as_str()) {
            row.destination_service.split('.').next().unwrap_or_default().to_owned()
        } else {
            versioned(&row.destination_workload, &row.destination_version)
        };
        Self {
            source: versioned(&row.source_workload, &row.source_version),
            destination,
            reporter: std::cmp::Reverse(row.reporter.clone()),
        }
    }

    pub(super) fn reporter(&self) -> &str {
        &self.reporter.0
    }
}

fn versioned(workload: &str, version: &str) -> String {
    if UNKNOWN.contains(&version) { workload.to_owned() } else { format!("{workload}@{version}") }
}

/// Sums rows into one line for each edge and reporter.
pub(super) fn lines(rows: &[EdgeRow]) -> BTreeMap<Edge, Line> {
    let mut lines: BTreeMap<Edge, Line> = BTreeMap::new();
    for row in rows {
        let line = lines.entry(Edge::of(row)).or_default();
        line.requests += row.requests;
        line.failed += if row.failed { row.requests } else { 0 };
        for flag in row.response_flags.split(',').filter(|flag| *flag != "-") {
            *line.flags.entry(flag.to_owned()).or_default() += row.requests;
        }
        line.rows.push(row.clone());
    }
    lines
}

impl Line {
    /// Quantile of the duration, microseconds. `share` is 0 to 1.
    pub(super) fn quantile_us(&self, share: f64) -> f64 {
        let max = self.rows.iter().map(|row| row.duration_max_us).max().unwrap_or_default();
        let wanted = share * self.requests as f64;
        let (mut low, mut high) = (0.0, max as f64);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            let covered: f64 = self.rows.iter().map(|row| row.requests as f64 * covered(row, middle)).sum();
            if covered < wanted { low = middle } else { high = middle }
        }
        high
    }
}

/// Share of a row's requests with at most this duration.
fn covered(row: &EdgeRow, us: f64) -> f64 {
    let corners = [
        (0.0, 0.0),
        (row.duration_p50_us, 0.5),
        (row.duration_p99_us, 0.99),
        (row.duration_max_us as f64, 1.0),
    ];
    for ((from, low), (to, high)) in corners.into_iter().zip(corners.into_iter().skip(1)) {
        if us < to {
            // Logarithmic, like durations: linear interpolation overestimates the tail.
            let position = if from > 0.0 { (us / from).ln() / (to / from).ln() } else { us / to };
            return low + (high - low) * position.clamp(0.0, 1.0);
        }
    }
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(flags: &str, requests: u64, [p50, p99, max]: [u64; 3]) -> EdgeRow {
        EdgeRow {
            reporter: "source".into(),
            source_workload: "shop".into(),
            source_version: "v1".into(),
            destination_workload: "payments".into(),
            destination_version: "v2".into(),
            destination_service: "payments.shop.svc.cluster.local".into(),
            response_flags: flags.into(),
            requests,
            failed: flags != "-",
            duration_p50_us: p50 as f64,
            duration_p99_us: p99 as f64,
            duration_max_us: max,
            ..EdgeRow::default()
        }
    }

    #[test]
    fn outcomes_of_one_edge_are_one_line() {
        let rows = [row("-", 90, [1_000, 2_000, 3_000]), row("UF,URX", 10, [5_000, 5_000, 5_000])];
        let lines = lines(&rows);
        let (edge, line) = lines.first_key_value().unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!((edge.source.as_str(), edge.destination.as_str()), ("shop@v1", "payments@v2"));
        assert_eq!((line.requests, line.failed), (100, 10));
        assert_eq!(line.flags, BTreeMap::from([("UF".to_owned(), 10), ("URX".to_owned(), 10)]));
        assert!((1_000.0..1_200.0).contains(&line.quantile_us(0.5)), "{}", line.quantile_us(0.5));
        assert!((4_900.0..=5_000.0).contains(&line.quantile_us(0.99)), "{}", line.quantile_us(0.99));
    }

    #[test]
    fn both_sides_are_adjacent_and_the_source_is_first() {
        let destination = EdgeRow { reporter: "destination".into(), ..row("-", 1, [1, 1, 1]) };
        let not_forwarded = EdgeRow {
            destination_workload: "unknown".into(),
            destination_version: "unknown".into(),
            ..row("NR", 1, [0, 0, 0])
        };
        let lines = lines(&[not_forwarded, destination, row("-", 1, [1, 1, 1])]);
        let order: Vec<_> = lines.keys().map(|edge| (edge.destination.as_str(), edge.reporter())).collect();
        assert_eq!(
            order,
            [("payments", "source"), ("payments@v2", "source"), ("payments@v2", "destination")]
        );
        assert_eq!(lines.values().next().unwrap().quantile_us(0.99), 0.0);
    }
}
