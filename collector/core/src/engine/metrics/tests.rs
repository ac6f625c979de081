use super::{Scope, declared, visit_all};
use crate::batch::{
    Batch, Connections, Edge, EpochId, Evidence, Flow, Fold, FoldedDurations, Identity, InFlight, Messages,
    Outcome, Peer, Protocol, Record, Reporter, Service, Totals,
};
use crate::engine::{Engine, Settings, snapshot};
use crate::metrics::{
    Buckets, ByFamily, BySeries, Extra, Family, Kind, Labels, Local, Number, Traversal, Visitor,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SECOND_US: u64 = 1_000_000;

/// An edge between the workloads web and pay.
fn edge(reporter: Reporter) -> Edge {
    let service = Service {
        host: "pay.shop.svc".into(),
        name: "pay".into(),
        namespace: "shop".into(),
        evidence: Evidence::Cluster,
        ..Service::default()
    };
    let workload = if reporter == Reporter::Source { "pay-v1" } else { "web-v1" };
    let peer = Peer {
        workload: workload.into(),
        namespace: "shop".into(),
        canonical_service: workload.split_once('-').unwrap().0.into(),
        canonical_revision: "v1".into(),
        ..Peer::default()
    };
    Edge { reporter, service, peer, mutual_tls: true, ..Edge::default() }
}

fn identity(proxy: &str) -> Identity {
    Identity {
        workload: proxy.into(),
        namespace: "shop".into(),
        version: "v1".into(),
        canonical_service: proxy.split_once('-').unwrap().0.into(),
        filter_version: "1.2".into(),
        config_hash: 9,
        ..Identity::default()
    }
}

fn fold() -> Fold {
    let durations = FoldedDurations {
        zero_count: 1,
        counts: vec![4],
        max_us: 9,
        sum_us: 20,
        ..FoldedDurations::default()
    };
    Fold { outcome: 1, count: 5, durations, ..Fold::default() }
}

/// A batch of one proxy: four requests, a fold row, a TCP connection, a stream, and a request in
/// flight.
fn batch(proxy: &str, reporter: Reporter, sequence: u64, at_us: u64) -> Batch {
    let record = |outcome: usize, request_id_hash: u32| Record {
        outcome,
        request_id_hash,
        start_us: at_us - 10_000,
        duration_us: if reporter == Reporter::Source { 9_000 } else { 7_000 },
        request_bytes: 300,
        response_bytes: 5_000,
        attempts: 1,
        ..Record::default()
    };
    let ok = Outcome { response_code: 200, protocol: Protocol::Http, ..Outcome::default() };
    let failed =
        Outcome { response_flags: 4, grpc_status: Some(14), protocol: Protocol::Grpc, response_code: 503 };
    Batch {
        epoch_id: EpochId { proxy: proxy.into(), epoch: 7 },
        sequence,
        identity: (sequence == 1).then(|| identity(proxy)),
        totals: Totals {
            seen: 10 * sequence,
            sent: 4 * sequence,
            folded: 5 * sequence,
            dropped: Vec::new(),
            buffered: sequence,
        },
        edges: vec![Arc::new(edge(reporter))].into(),
        outcomes: vec![ok, failed],
        records: vec![
            record(0, 17 * u32::try_from(sequence).unwrap()),
            record(0, 18 * u32::try_from(sequence).unwrap()),
            record(1, 19 * u32::try_from(sequence).unwrap()),
            record(0, 0),
        ],
        folds: vec![fold()],
        in_flight: vec![InFlight {
            reporter,
            count: 3,
            oldest_age_us: 5_000_000,
            long_count: 0,
            long: Vec::new(),
        }],
        connections: Connections {
            closed: vec![Record { request_bytes: 7, duration_us: 70_000, ..Record::default() }],
            open: vec![Flow { edge: 0, opened: 2, request_bytes: 3, response_bytes: 4 }],
            ..Connections::default()
        },
        streams: vec![Flow { edge: 0, opened: 1, request_bytes: 5, response_bytes: 6 }],
        messages: vec![Messages { outcome: 1, request: 3, response: 5, ..Messages::default() }],
        ..Batch::example()
    }
}

/// Settings with these exported labels.
fn exporting(labels: &str) -> Settings {
    let mut settings = Settings::default();
    settings.metrics.labels = labels.to_owned();
    settings
}

fn engine() -> Engine {
    engine_exporting("all")
}

fn engine_exporting(labels: &str) -> Engine {
    let mut engine = Engine::new(exporting(labels));
    for sequence in 1..4 {
        let at_us = (1_000 + sequence) * SECOND_US;
        engine.apply_batch(&batch("web-v1", Reporter::Source, sequence, at_us), at_us);
        engine.apply_batch(&batch("pay-v1", Reporter::Destination, sequence, at_us), at_us);
    }
    engine.tick(1_004 * SECOND_US);
    engine.tick(1_060 * SECOND_US);
    engine
}

/// Samples by family and labels, each with its value and created time.
#[derive(Default)]
struct Recorder {
    labels: Vec<(String, String)>,
    samples: BTreeMap<String, (Value, Option<u64>)>,
    families: BTreeSet<&'static str>,
}

#[derive(Debug, PartialEq)]
enum Value {
    Number(Number),
    Histogram(Box<Buckets>),
}

impl Recorder {
    fn of<T: Traversal>(engine: &Engine) -> Self {
        let mut recorder = Self::default();
        visit_all::<T>(&Local(engine), || 1_061 * SECOND_US, Scope::All, &mut recorder).unwrap();
        recorder
    }

    fn add(&mut self, family: &'static Family, extra: Extra, value: Value, created_us: Option<u64>) {
        let mut labels = self.labels.clone();
        labels.extend(extra.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let names: Vec<&str> = labels.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, family.labels, "{}", family.name);
        self.families.insert(family.name);
        let before = self.samples.insert(format!("{}{labels:?}", family.name), (value, created_us));
        assert!(before.is_none(), "{} {labels:?} twice", family.name);
    }
}

impl Visitor for Recorder {
    fn native(&self) -> bool {
        true
    }

    fn family(&mut self, _: &'static Family) {}

    fn series(&mut self, labels: Labels<'_>) {
        self.labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    }

    fn number(&mut self, family: &'static Family, extra: Extra, value: Number, created_us: Option<u64>) {
        self.add(family, extra, Value::Number(value), created_us);
    }

    fn histogram(&mut self, family: &'static Family, buckets: &Buckets, created_us: Option<u64>) {
        self.add(family, None, Value::Histogram(Box::new(buckets.clone())), created_us);
    }
}

#[test]
fn both_traversals_visit_the_same_samples_of_all_declared_families() {
    let engine = engine();
    let (by_family, by_series) = (Recorder::of::<ByFamily>(&engine), Recorder::of::<BySeries>(&engine));
    assert!(by_family.samples.len() > 60, "{:?}", by_family.samples.keys());
    assert_eq!(by_series.samples, by_family.samples);
    let declared: BTreeSet<&str> = declared().iter().map(|family| family.name).collect();
    assert_eq!(by_family.families, declared);
}

#[test]
fn a_series_is_visited_once_in_a_traversal_by_series() {
    #[derive(Default)]
    struct Seen(Vec<Vec<(String, String)>>);
    impl Visitor for Seen {
        fn family(&mut self, family: &'static Family) {
            panic!("{family:?}");
        }
        fn series(&mut self, labels: Labels<'_>) {
            self.0
                .push(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        }
        fn number(&mut self, _: &'static Family, _: Extra, _: Number, _: Option<u64>) {}
        fn histogram(&mut self, _: &'static Family, _: &Buckets, _: Option<u64>) {}
    }
    let engine = engine();
    let mut seen = Seen::default();
    visit_all::<BySeries>(&Local(&engine), || 0, Scope::All, &mut seen).unwrap();
    // Requests, connections and streams of an edge have series of their own.
    let of_edges = seen.0.iter().filter(|labels| labels.len() == 26).count();
    assert_eq!(of_edges, engine.aggregate().iter(engine.edges()).count() + engine.connections().len());
}

#[test]
fn names_and_texts_follow_the_conventions() {
    for Family { name, kind, help, .. } in declared() {
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(
            help.ends_with('.') && help.starts_with(|first: char| first.is_ascii_uppercase() || first == 'g')
        );
    }
}

/// Samples that a restored engine has to have: everything with a created time, and all counters.
fn lasting(recorder: &Recorder) -> BTreeMap<&String, &(Value, Option<u64>)> {
    let is_lasting = |name: &str| name.split('[').next().is_some_and(|name| name.ends_with("_total"));
    recorder.samples.iter().filter(|(name, (_, created))| created.is_some() || is_lasting(name)).collect()
}

#[test]
fn a_restored_engine_exports_the_same_values_and_created_times() {
    let before = engine();
    let mut after = Engine::new(exporting("all"));
    snapshot::decode(&snapshot::encode(&before, 1), &mut after).unwrap();
    let (mut old, mut new) = (Recorder::of::<ByFamily>(&before), Recorder::of::<ByFamily>(&after));
    assert!(old.samples.keys().filter(|name| name.starts_with("hopscope_hop")).count() > 2);
    // Exemplars are no part of a snapshot.
    for recorder in [&mut old, &mut new] {
        for (value, _) in recorder.samples.values_mut() {
            if let Value::Histogram(buckets) = value {
                **buckets = (**buckets).clone().with_exemplar(None);
            }
        }
    }
    assert_eq!(lasting(&new), lasting(&old));
}

#[test]
fn values_after_a_restore_continue_from_the_restored_ones() {
    let before = engine();
    let mut after = Engine::new(exporting("all"));
    snapshot::decode(&snapshot::encode(&before, 1), &mut after).unwrap();
    let at_us = 1_070 * SECOND_US;
    after.apply_batch(&batch("web-v1", Reporter::Source, 4, at_us), at_us);
    after.apply_batch(&batch("pay-v1", Reporter::Destination, 4, at_us), at_us);
    after.tick(at_us + SECOND_US);
    after.tick(at_us + 60 * SECOND_US);
    let (old, new) = (Recorder::of::<ByFamily>(&before), Recorder::of::<ByFamily>(&after));
    for (name, (value, created_us)) in lasting(&old) {
        let (now, now_created_us) = &new.samples[name];
        assert_eq!(now_created_us, created_us, "{name}");
        let is_lower = match (now, value) {
            (Value::Number(now), Value::Number(before)) => now.as_f64() < before.as_f64(),
            (Value::Histogram(now), Value::Histogram(before)) => now.count() < before.count(),
            _ => true,
        };
        assert!(!is_lower, "{name}: {now:?} after {value:?}");
    }
    let hops = |recorder: &Recorder| -> f64 {
        let hops = recorder.samples.iter().filter(|(name, _)| name.starts_with("hopscope_hops_total"));
        hops.map(|(_, (value, _))| if let Value::Number(count) = value { count.as_f64() } else { 0.0 }).sum()
    };
    assert!(hops(&new) > hops(&old), "{} {}", hops(&new), hops(&old));
}

/// Counters by family and labels, requested by prefix.
struct Counters {
    prefix: &'static str,
    labels: String,
    counts: BTreeMap<String, u64>,
}

impl Counters {
    fn of<T: Traversal>(engine: &Engine, prefix: &'static str) -> BTreeMap<String, u64> {
        let mut counters = Self { prefix, labels: String::new(), counts: BTreeMap::new() };
        visit_all::<T>(&Local(engine), || 0, Scope::All, &mut counters).unwrap();
        counters.counts
    }

    fn add(&mut self, family: &'static Family, extra: Extra, count: u64) {
        if family.name.starts_with(self.prefix) {
            let (_, extra) = extra.unwrap_or_default();
            let before = self.counts.insert(format!("{} {}{extra}", family.name, self.labels), count);
            assert_eq!(before, None, "{} {} twice", family.name, self.labels);
        }
    }
}

impl Visitor for Counters {
    fn family(&mut self, _: &'static Family) {}

    fn series(&mut self, labels: Labels<'_>) {
        self.labels = labels.iter().map(|(_, value)| format!("{value} ")).collect();
    }

    fn number(&mut self, family: &'static Family, extra: Extra, value: Number, _: Option<u64>) {
        if family.kind == Kind::Counter {
            self.add(family, extra, value.as_f64() as u64);
        }
    }

    fn histogram(&mut self, family: &'static Family, buckets: &Buckets, _: Option<u64>) {
        self.add(family, None, buckets.count());
    }
}

/// An engine with series of two called workloads whose exported labels are equal.
fn merging() -> Engine {
    let mut settings = exporting("reporter,response_code");
    settings.aggregate.idle_s_max = 100;
    let mut engine = Engine::new(settings);
    for sequence in 1..4 {
        let at_us = (1_000 + sequence) * SECOND_US;
        engine.apply_batch(&batch("web-v1", Reporter::Source, sequence, at_us), at_us);
        engine.apply_batch(&batch("pay-v1", Reporter::Source, sequence, at_us), at_us);
    }
    engine
}

#[test]
fn series_that_are_equal_in_the_exported_labels_are_added_up() {
    let engine = merging();
    for counts in [
        Counters::of::<ByFamily>(&engine, "hopscope_request"),
        Counters::of::<BySeries>(&engine, "hopscope_request"),
    ] {
        // Of each proxy and batch, three records with status 200 and one with 503, and a fold of five.
        assert_eq!(counts["hopscope_requests_total source 200 "], 18);
        assert_eq!(counts["hopscope_requests_total source 503 "], 36);
        assert_eq!(counts["hopscope_request_duration_seconds source 200 "], 18);
        assert_eq!(counts["hopscope_request_bytes source 503 "], 36);
        assert_eq!(counts["hopscope_request_messages_total source 503 "], 18);
    }
    let flows = Counters::of::<ByFamily>(&engine, "hopscope_tcp_connections_opened_total");
    // Open connections have no outcome yet.
    assert_eq!(flows.values().copied().collect::<Vec<_>>(), [12, 6], "{flows:?}");
    let streams = Counters::of::<ByFamily>(&engine, "hopscope_streams_total");
    assert_eq!(streams, [("hopscope_streams_total source ".to_owned(), 6)].into());
}

#[test]
fn an_exported_counter_does_not_fall_when_one_of_its_series_expires() {
    let mut engine = merging();
    let before = Counters::of::<ByFamily>(&engine, "hopscope_request");
    let is_expired = |engine: &Engine| engine.aggregate().expired().0;
    // One of the two proxies goes on.
    let at_us = 1_090 * SECOND_US;
    engine.apply_batch(&batch("web-v1", Reporter::Source, 4, at_us), at_us);
    engine.tick(1_130 * SECOND_US);
    assert_eq!(is_expired(&engine), 2);
    let mut restarted = Engine::new({
        let mut settings = exporting("reporter,response_code");
        settings.aggregate.idle_s_max = 100;
        settings
    });
    snapshot::decode(&snapshot::encode(&engine, 1), &mut restarted).unwrap();
    for engine in [&engine, &restarted] {
        let after = Counters::of::<BySeries>(engine, "hopscope_request");
        assert!(before.iter().all(|(name, count)| after[name] >= *count), "{before:?} {after:?}");
        assert_eq!(after["hopscope_requests_total source 200 "], 18 + 3);
    }
    assert_eq!(snapshot::encode(&restarted, 1), snapshot::encode(&engine, 1));
    // The other one ends as well, and with it the exported series.
    restarted.tick(1_300 * SECOND_US);
    let counts = Counters::of::<ByFamily>(&restarted, "hopscope_");
    assert!(!counts.keys().any(|name| name.starts_with("hopscope_requests_total")), "{counts:?}");
    assert_eq!(counts["hopscope_series_expired_requests_total "], 54 + 9);
    assert_eq!(counts["hopscope_tcp_expired_connections_total "], 7);
}

#[test]
fn hops_are_added_up_over_the_labels_that_are_not_exported() {
    let all = Counters::of::<ByFamily>(&engine(), "hopscope_hop");
    let merged = engine_exporting("reporter");
    let mut restored = Engine::new(exporting("reporter"));
    snapshot::decode(&snapshot::encode(&merged, 1), &mut restored).unwrap();
    for engine in [&merged, &restored] {
        let counts = Counters::of::<BySeries>(engine, "hopscope_hop");
        assert!(counts.contains_key("hopscope_hop_gap_seconds "), "{counts:?}");
        assert!(counts.contains_key("hopscope_hops_total agreed"), "{counts:?}");
        let of_agreed = all.iter().filter(|(name, _)| name.ends_with("agreed")).map(|(_, count)| count);
        assert_eq!(counts["hopscope_hops_total agreed"], of_agreed.sum::<u64>());
    }
}
