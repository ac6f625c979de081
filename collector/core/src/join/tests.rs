//! Scenarios as text: records of both sides with their arrival times, and the verdicts of the join.

use super::{Join, Settings, Side};
use crate::batch::flags;
use crate::batch::{Batch, Edge, EpochId, Fold, Outcome, Record, Reporter, Text, Totals};
use crate::identity::{End, Evidence, ResolvedEdge, Security, ServiceName};
use std::collections::HashMap;
use std::sync::Arc;

mod bounds;
mod pairing;
mod properties;
mod snapshot;
mod verdicts;

const START_US: u64 = 1_700_000_000_000_000;

/// One record: `src shop>pay #1 0+200 UT/504 x1` stands for side, edge, request id, start and
/// duration in milliseconds, response flags and status, and attempts. `?` is an unknown source,
/// `pay@v2` another version, `#-` no request id, `-` no status.
#[derive(Debug, Clone)]
struct Report {
    side: Side,
    source: String,
    destination: String,
    outcome: Outcome,
    record: Record,
}

impl Report {
    fn parse(text: &str) -> Self {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [side, edge, id, times, ending, ..] = words[..] else { panic!("{text}") };
        let (source, destination) = edge.split_once('>').unwrap();
        let (start, duration) = times.split_once('+').unwrap();
        let (names, code) = ending.split_once('/').unwrap_or(("", ending));
        let flags = names.split(',').filter(|name| !name.is_empty());
        Self {
            side: if side == "src" { Side::Source } else { Side::Destination },
            source: source.to_owned(),
            destination: destination.to_owned(),
            outcome: Outcome {
                response_flags: flags.map(|name| 1 << flags::find(name).unwrap().bit).sum(),
                response_code: code.parse().unwrap_or(0),
                protocol: crate::batch::Protocol::Http,
                ..Outcome::default()
            },
            record: Record {
                start_us: START_US.checked_add_signed(start.parse::<i64>().unwrap() * 1_000).unwrap(),
                duration_us: duration.parse::<u64>().unwrap() * 1_000,
                request_id_hash: id[1..].parse().unwrap_or(0),
                attempts: words.get(5).map_or(1, |word| word[1..].parse().unwrap()),
                ..Record::default()
            },
        }
    }
}

fn end(name: &str) -> End {
    let (service, version) = name.split_once('@').unwrap_or((name, "v1"));
    let unknown = || Text::from("unknown");
    let known = name != "?";
    End {
        workload: if known { format!("{service}-{version}").into() } else { unknown() },
        namespace: "shop".into(),
        principal: unknown(),
        app: unknown(),
        version: if known { version.into() } else { unknown() },
        canonical_service: if known { service.into() } else { unknown() },
        canonical_revision: unknown(),
        cluster: unknown(),
    }
}

/// A join with proxies that send one record per batch, on virtual time.
struct Scenario {
    join: Join,
    /// Epoch and sequence of the last batch of each proxy.
    sequences: HashMap<String, (u64, u64)>,
    now_us: u64,
    records: u64,
}

impl Scenario {
    fn new(limits: Settings) -> Self {
        Self { join: Join::new(limits), sequences: HashMap::new(), now_us: START_US, records: 0 }
    }

    /// Advances the time, with the tick interval of the collector.
    fn until(&mut self, now_us: u64) {
        while self.now_us + 250_000 <= now_us {
            self.now_us += 250_000;
            self.join.tick(self.now_us);
        }
        self.now_us = now_us.max(self.now_us);
    }

    fn report(&mut self, report: &Report, folds: u64) {
        let own = if report.side == Side::Source { &report.source } else { &report.destination };
        let peer = if report.side == Side::Source { &report.destination } else { &report.source };
        let (epoch, sequence) = self.sequences.entry(own.clone()).or_default();
        *sequence += 1;
        let reporter = if report.side == Side::Source { Reporter::Source } else { Reporter::Destination };
        let fold = Fold { count: folds, ..Fold::default() };
        let batch = Batch {
            epoch_id: EpochId { proxy: own.as_str().into(), epoch: 7 + *epoch },
            sequence: *sequence,
            identity: None,
            totals: Totals::default(),
            edges: vec![Arc::new(Edge { reporter, ..Edge::default() })].into(),
            in_flight: Vec::new(),
            connections: crate::batch::Connections::default(),
            streams: Vec::new(),
            messages: Vec::new(),
            attempt: 1,
            details: crate::batch::Details::default(),
            outcomes: vec![report.outcome],
            records: if folds == 0 { vec![report.record] } else { Vec::new() },
            folds: if folds == 0 { Vec::new() } else { vec![fold] },
            ..Batch::example()
        };
        self.records += folds.max(1);
        let edge = ResolvedEdge {
            reporter,
            source: Arc::new(end(&report.source)),
            destination: Arc::new(end(&report.destination)),
            service: Arc::new(ServiceName {
                host: "pay.shop".into(),
                name: "pay".into(),
                namespace: "shop".into(),
            }),
            security: Security::MutualTls,
            evidence: Evidence::Metadata,
        };
        let peer: Option<Text> = (peer != "?").then(|| peer.as_str().into());
        let reporter = self.join.reporter_context(&batch, self.now_us);
        let ids = self.join.edge_ids(&edge, peer.as_ref());
        let context = self.join.edge_context(&ids, reporter, self.now_us);
        self.join.apply(&batch, &[Some(context)], self.now_us);
    }

    /// Sends records of both ends on other edges, so that both ends count as reporting.
    fn introduce(&mut self, edge: &str) {
        let (source, destination) = edge.split_once('>').unwrap();
        for (edge, id) in [(format!("{source}>warm"), 1_001), (format!("warm>{destination}"), 1_002)] {
            for side in ["src", "dst"] {
                self.report(&Report::parse(&format!("{side} {edge} #{id} -9+5 200")), 0);
            }
        }
    }

    /// All edges with their verdicts: `shop>pay agreed ok/ok 1`.
    fn verdicts(&self) -> Vec<String> {
        let mut verdicts = Vec::new();
        for (edge, hops) in self.join.edges() {
            let name = |end: &super::WorkloadVersion| match (&*end.workload, &*end.version) {
                ("unknown", _) => "?".to_owned(),
                (workload, version) => workload
                    .strip_suffix("-v1")
                    .map_or_else(|| format!("{}@{version}", workload.trim_end_matches("-v2")), str::to_owned),
            };
            let edge = format!("{}>{}", name(&edge.source), name(&edge.destination));
            if edge.contains("warm") {
                continue;
            }
            for (outcome, count) in hops.outcomes() {
                let ending = |ending: Option<super::Ending>| ending.map_or("none", super::Ending::label);
                let (source, destination) = (ending(outcome.source), ending(outcome.destination));
                verdicts.push(format!("{edge} {} {source}/{destination} {count}", outcome.verdict.label()));
            }
        }
        verdicts.sort();
        verdicts
    }

    /// Asserts that every record has one result.
    #[track_caller]
    fn assert_balanced(&self) {
        assert_eq!(self.join.stats().resolved() + self.join.pending() as u64, self.records);
    }
}

/// Asserts the verdicts of a scenario. A line begins with the arrival time in milliseconds. `known
/// shop>pay` makes both ends of an edge reporting ones, `fold` before a record folds it, `lag pay`
/// opens a gap in the sequence of a proxy's batches, `epoch pay` starts a proxy again.
#[track_caller]
fn check(text: &str, expected: &[&str]) -> Scenario {
    check_with(Settings::default(), text, expected)
}

#[track_caller]
fn check_with(limits: Settings, text: &str, expected: &[&str]) -> Scenario {
    let mut scenario = Scenario::new(limits);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(edge) = line.strip_prefix("known ") {
            scenario.introduce(edge);
            continue;
        }
        let (at_ms, what) = line.split_once(' ').unwrap();
        scenario.until(START_US + at_ms.parse::<u64>().unwrap() * 1_000);
        if let Some(proxy) = what.strip_prefix("lag ") {
            scenario.sequences.entry(proxy.to_owned()).or_default().1 += 1;
        } else if let Some(proxy) = what.strip_prefix("epoch ") {
            let (epoch, sequence) = scenario.sequences.entry(proxy.to_owned()).or_default();
            (*epoch, *sequence) = (*epoch + 1, 0);
        } else if let Some(record) = what.strip_prefix("fold ") {
            scenario.report(&Report::parse(record), 5);
        } else {
            scenario.report(&Report::parse(what), 0);
        }
        scenario.assert_balanced();
    }
    scenario.until(scenario.now_us + 20_000_000);
    scenario.assert_balanced();
    assert_eq!(scenario.join.pending(), 0, "every record is resolved");
    assert_eq!(scenario.verdicts(), expected);
    scenario
}
