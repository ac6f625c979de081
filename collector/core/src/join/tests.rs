//! Scenarios as text: who tells what and when, and what the join makes of it.

use super::{Join, Named, Settings, Side};
use crate::batch::flags;
use crate::batch::{Batch, Edge, EpochId, Fold, Outcome, Record, Reporter, Text, Totals};
use crate::identity::{End, Evidence, ResolvedEdge, Security, ServiceName};
use std::collections::HashMap;
use std::sync::Arc;

mod bounds;
mod pairing;
mod properties;
mod verdicts;

const START_US: u64 = 1_700_000_000_000_000;

/// One record: `src shop>pay #1 0+200 UT/504 x1`, that is side, edge, request id, start and duration in milliseconds,
/// flags and code, and attempts. `?` is a caller without a name, `pay@v2` another version, `#-` no id, `-` no code.
#[derive(Debug, Clone)]
struct Line {
    side: Side,
    source: String,
    destination: String,
    outcome: Outcome,
    record: Record,
}

impl Line {
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

/// A join with proxies that batch one record at a time, on virtual time.
struct Scene {
    join: Join,
    sequences: HashMap<String, u64>,
    now_us: u64,
    records: u64,
}

impl Scene {
    fn new(limits: Settings) -> Self {
        Self { join: Join::new(limits), sequences: HashMap::new(), now_us: START_US, records: 0 }
    }

    /// Lets time pass, as the collector does it.
    fn until(&mut self, now_us: u64) {
        while self.now_us + 250_000 <= now_us {
            self.now_us += 250_000;
            self.join.tick(self.now_us);
        }
        self.now_us = now_us.max(self.now_us);
    }

    fn tell(&mut self, line: &Line, folds: u64) {
        let own = if line.side == Side::Source { &line.source } else { &line.destination };
        let peer = if line.side == Side::Source { &line.destination } else { &line.source };
        let sequence = self.sequences.entry(own.clone()).or_default();
        *sequence += 1;
        let reporter = if line.side == Side::Source { Reporter::Source } else { Reporter::Destination };
        let fold = Fold { count: folds, ..Fold::default() };
        let batch = Batch {
            epoch_id: EpochId { proxy: own.as_str().into(), epoch: 7 },
            sequence: *sequence,
            identity: None,
            totals: Totals::default(),
            edges: vec![Arc::new(Edge { reporter, ..Edge::default() })].into(),
            open: Vec::new(),
            connections: crate::batch::Connections::default(),
            streams: Vec::new(),
            messages: Vec::new(),
            attempt: 1,
            details: crate::batch::Details::default(),
            outcomes: vec![line.outcome],
            records: if folds == 0 { vec![line.record] } else { Vec::new() },
            folds: if folds == 0 { Vec::new() } else { vec![fold] },
        };
        self.records += folds.max(1);
        let named = Named {
            edge: ResolvedEdge {
                reporter,
                source: Arc::new(end(&line.source)),
                destination: Arc::new(end(&line.destination)),
                service: Arc::new(ServiceName {
                    host: "pay.shop".into(),
                    name: "pay".into(),
                    namespace: "shop".into(),
                }),
                security: Security::MutualTls,
                evidence: Evidence::Metadata,
            },
            peer: (peer != "?").then(|| peer.as_str().into()),
        };
        let tells = self.join.tells(&batch, self.now_us);
        let known = self.join.know(&named.edge, named.peer.as_ref());
        let line = self.join.line(&known, tells, self.now_us);
        self.join.take(&batch, &[Some(line)], self.now_us);
    }

    /// Both ends of an edge tell of other edges, so that both are known to tell.
    fn introduce(&mut self, edge: &str) {
        let (source, destination) = edge.split_once('>').unwrap();
        for (edge, id) in [(format!("{source}>warm"), 1_001), (format!("warm>{destination}"), 1_002)] {
            for side in ["src", "dst"] {
                self.tell(&Line::parse(&format!("{side} {edge} #{id} -9+5 200")), 0);
            }
        }
    }

    /// Every edge and verdict: `shop>pay agreed ok/ok 1`.
    fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        for (edge, book) in self.join.edges() {
            let name = |place: &super::Place| match (&*place.workload, &*place.version) {
                ("unknown", _) => "?".to_owned(),
                (workload, version) => workload
                    .strip_suffix("-v1")
                    .map_or_else(|| format!("{}@{version}", workload.trim_end_matches("-v2")), str::to_owned),
            };
            let edge = format!("{}>{}", name(&edge.source), name(&edge.destination));
            if edge.contains("warm") {
                continue;
            }
            for (cell, count) in book.cells() {
                let ending = |ending: Option<super::Ending>| ending.map_or("none", super::Ending::label);
                let (source, destination) = (ending(cell.source), ending(cell.destination));
                told.push(format!("{edge} {} {source}/{destination} {count}", cell.verdict.label()));
            }
        }
        told.sort();
        told
    }

    /// Every record has one fate.
    #[track_caller]
    fn balanced(&self) {
        assert_eq!(self.join.stats().settled() + self.join.open() as u64, self.records);
    }
}

/// Lines in, verdicts out. A line begins with the millisecond in which it comes; `known shop>pay` lets both ends of an edge
/// be known to tell, `fold` before a record tells it folded, `lag pay` leaves a hole in the numbers of a proxy's reports.
#[track_caller]
fn check(scenario: &str, expected: &[&str]) -> Scene {
    check_with(Settings::default(), scenario, expected)
}

#[track_caller]
fn check_with(limits: Settings, scenario: &str, expected: &[&str]) -> Scene {
    let mut scene = Scene::new(limits);
    for line in scenario.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(edge) = line.strip_prefix("known ") {
            scene.introduce(edge);
            continue;
        }
        let (at_ms, what) = line.split_once(' ').unwrap();
        scene.until(START_US + at_ms.parse::<u64>().unwrap() * 1_000);
        if let Some(proxy) = what.strip_prefix("lag ") {
            *scene.sequences.entry(proxy.to_owned()).or_default() += 1;
        } else if let Some(record) = what.strip_prefix("fold ") {
            scene.tell(&Line::parse(record), 5);
        } else {
            scene.tell(&Line::parse(what), 0);
        }
        scene.balanced();
    }
    scene.until(scene.now_us + 20_000_000);
    scene.balanced();
    assert_eq!(scene.join.open(), 0, "nothing waits for ever");
    assert_eq!(scene.told(), expected);
    scene
}
