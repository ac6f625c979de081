//! Results of the demo.
//!
//! In: edges, accounting and the tally. Out: one JSON object, or tables, on standard output.
//! Invariant: with JSON, standard output has this object only; its edges have unique labels.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::edge;
use super::live;
use super::table::{lay_out, number, text};
use crate::accounting::ProxyRow;
use crate::collector::EdgeRow;
use crate::fault::Fault;
use crate::traffic::Tally;

/// Results of the demo.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) edges: Vec<EdgeRow>,
    pub(super) proxies: Vec<ProxyRow>,
    pub(super) tally: Tally,
    pub(super) sent_for: Duration,
}

/// An edge with one outcome by one reporter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct EdgeOutcome<'a> {
    reporter: &'a str,
    source_workload: &'a str,
    source_version: &'a str,
    destination_workload: &'a str,
    destination_version: &'a str,
    destination_service: &'a str,
    response_code: &'a str,
    response_flags: &'a str,
}

#[derive(Serialize)]
struct CountedEdge<'a> {
    #[serde(flatten)]
    edge: EdgeOutcome<'a>,
    requests: u64,
}

#[derive(Serialize)]
struct Document<'a> {
    edges: Vec<CountedEdge<'a>>,
    proxies: &'a [ProxyRow],
    faults: BTreeMap<Fault, u64>,
}

impl Outcome {
    /// Prints the results.
    ///
    /// # Errors
    /// When standard output is closed.
    pub(super) fn print(&self, as_json: bool) -> Result<()> {
        let text = if as_json { serde_json::to_string(&self.document())? } else { self.as_table() };
        writeln!(io::stdout(), "{text}")?;
        Ok(())
    }

    fn document(&self) -> Document<'_> {
        let mut edges: BTreeMap<EdgeOutcome<'_>, u64> = BTreeMap::new();
        for row in &self.edges {
            let edge = EdgeOutcome {
                reporter: &row.reporter,
                source_workload: &row.source_workload,
                source_version: &row.source_version,
                destination_workload: &row.destination_workload,
                destination_version: &row.destination_version,
                destination_service: &row.destination_service,
                response_code: &row.response_code,
                response_flags: &row.response_flags,
            };
            *edges.entry(edge).or_default() += row.requests;
        }
        let counted = edges.into_iter().map(|(edge, requests)| CountedEdge { edge, requests });
        let faults = self.tally.faults.iter().map(|(fault, answers)| (*fault, answers.sent));
        Document { edges: counted.collect(), proxies: &self.proxies, faults: faults.collect() }
    }

    fn as_table(&self) -> String {
        let seconds = self.sent_for.as_secs_f64();
        let mut lines = live::render(&edge::lines(&self.edges), |_, line| line.requests as f64 / seconds);
        lines.push(String::new());
        lines.extend(self.accounting());
        lines.push(String::new());
        lines.push(self.summary());
        lines.join("\n")
    }

    fn accounting(&self) -> Vec<String> {
        let columns = [
            text("proxy"),
            number("Envoy completed"),
            number("seen"),
            number("delivered"),
            number("folded"),
            number("dropped"),
            number("in flight"),
            number("unaccounted"),
        ];
        let row = |row: &ProxyRow| {
            let ledger = &row.ledger;
            // A node id is role, address, pod and domain.
            let pod = ledger.proxy.split('~').nth(2).unwrap_or(&ledger.proxy).to_owned();
            let counts = [
                row.envoy_completed,
                ledger.seen,
                ledger.delivered,
                ledger.folded,
                ledger.dropped,
                ledger.in_flight,
            ];
            let [completed, seen, delivered, folded, dropped, in_flight] =
                counts.map(|count| count.to_string());
            [pod, completed, seen, delivered, folded, dropped, in_flight, ledger.unaccounted.to_string()]
        };
        lay_out(columns, &self.proxies.iter().map(row).collect::<Vec<_>>())
    }

    fn summary(&self) -> String {
        let faults = self.tally.faults.iter().map(|(fault, answers)| format!("{fault} {}", answers.sent));
        let faults: Vec<String> = faults.collect();
        let normal = &self.tally.normal;
        format!(
            "{} requests in {:.0} s; with faults: {}; of the other {} {} were answered with 200",
            self.tally.sent(),
            self.sent_for.as_secs_f64(),
            if faults.is_empty() { "none".to_owned() } else { faults.join(", ") },
            normal.sent,
            normal.with_status(200),
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::collector::LedgerRow;
    use crate::traffic::Answers;

    fn outcome() -> Outcome {
        let row = EdgeRow {
            reporter: "source".into(),
            source_workload: "shop".into(),
            response_code: "0".into(),
            response_flags: "DC".into(),
            requests: 3,
            ..EdgeRow::default()
        };
        let mut tally = Tally::default();
        tally.faults.insert(Fault::Disagree, Answers { sent: 4, ..Answers::default() });
        let ledger =
            LedgerRow { proxy: "sidecar~127.0.0.3~shop-v1-x.shop~d".into(), seen: 6, ..LedgerRow::default() };
        let edges = vec![row.clone(), row];
        Outcome {
            edges,
            proxies: vec![ProxyRow { envoy_completed: 6, ledger }],
            tally,
            sent_for: Duration::from_secs(2),
        }
    }

    #[test]
    fn the_document_has_the_documented_shape() {
        let document: Value = serde_json::to_value(outcome().document()).unwrap();
        assert_eq!(document["edges"].as_array().unwrap().len(), 1, "equal rows are one");
        assert_eq!(document["edges"][0]["requests"], 6);
        assert_eq!(document["edges"][0]["response_flags"], "DC");
        assert_eq!(document["edges"][0].as_object().unwrap().len(), 9);
        assert_eq!(document["proxies"][0]["seen"], 6);
        assert_eq!(document["proxies"][0].as_object().unwrap().len(), 8);
        assert_eq!(document["faults"], json!({"DISAGREE": 4}));
    }

    #[test]
    fn the_table_has_edges_accounting_and_a_summary() {
        let text = outcome().as_table();
        assert!(text.contains("DC 6"), "{text}");
        assert!(text.contains("shop-v1-x.shop"), "{text}");
        assert!(text.ends_with("with faults: DISAGREE 4; of the other 0 0 were answered with 200"), "{text}");
    }
}
