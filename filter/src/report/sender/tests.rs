use super::{OutgoingBatch, Sender};
use crate::batch::Batch;
use crate::config::{Config, ProxyLocation};
use crate::in_flight::InFlight;
use crate::record::{Edge, MessageCounts, Outcome, Record, RequestStats};
use crate::report::backoff::Backoff;
use crate::report::schedule::HEARTBEAT_MS;
use crate::report::{Buffer, ProxyIdentity, Reply};
use hopscope_proto::v1::{self, DropReason};
use prost::Message;
use std::collections::BTreeMap;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// One VM of a proxy, and the batches that arrived at a collector.
struct Bench {
    buffer: Buffer,
    in_flight: InFlight,
    sender: Sender,
    config: Config,
    now_ms: u64,
    arrived: BTreeMap<u64, v1::Batch>,
}

impl Bench {
    fn new(limits: &str) -> Self {
        let json = format!(r#"{{"collector": {{"cluster": "c"}}, "limits": {{{limits}}}}}"#);
        let config = Config::parse(json.as_bytes(), &ProxyLocation::default()).unwrap();
        Self {
            buffer: Buffer::default(),
            in_flight: InFlight::default(),
            sender: Sender::new(7),
            config,
            now_ms: 1_000_000,
            arrived: BTreeMap::new(),
        }
    }

    /// Sets a capacity below the configurable minimum.
    fn with_capacity(mut self, records: usize) -> Self {
        self.config.limits.buffer_bytes_max = records * Batch::RECORD_BYTES;
        self
    }

    fn see(&mut self, service: u32) {
        let mut edge = Edge::default();
        edge.service.host = format!("s{service}");
        let record = Record {
            edge: edge.into(),
            outcome: Outcome::default(),
            stats: RequestStats::default(),
            messages: MessageCounts::default(),
        };
        self.buffer.push(&record, &self.config, 0);
    }

    fn poll(&mut self) -> Option<OutgoingBatch> {
        let proxy = ProxyIdentity { node_id: "p".to_owned(), ..ProxyIdentity::default() };
        self.sender.poll(&mut self.buffer, &mut self.in_flight, &proxy, &self.config, self.now_ms)
    }

    fn reply(&mut self, sequence: u64, reply: Reply) {
        self.sender.on_reply(&mut self.buffer, &self.config, sequence, reply, self.now_ms);
    }

    /// Stores an arrived batch; a repeat must be equal.
    fn arrive(&mut self, report: &OutgoingBatch) {
        let mut batch = v1::Batch::decode(report.message.as_slice()).unwrap();
        batch.identity = None;
        batch.attempt = 0;
        let arrived = self.arrived.entry(report.sequence).or_insert_with(|| batch.clone());
        assert_eq!(*arrived, batch);
    }

    /// Returns the arrived requests and the last ledger, as `records+folded of seen (dropped)`.
    fn totals(&self) -> String {
        let records: usize =
            self.arrived.values().filter_map(|b| b.records.as_ref()).map(|r| r.edge.len()).sum();
        let folded: u64 = self.arrived.values().flat_map(|b| &b.folds).map(|f| f.count).sum();
        let ledger = self.arrived.values().next_back().and_then(|b| b.ledger.clone()).unwrap_or_default();
        let dropped: u64 = ledger.dropped.iter().map(|drop| drop.count_total).sum();
        assert_eq!(ledger.seen_total, ledger.sent_total + ledger.folded_total + dropped + ledger.buffered);
        format!("{records}+{folded} of {} ({dropped})", ledger.seen_total)
    }
}

const ACCEPTED: Reply = Reply::Accepted { need_identity: false, backoff_ms: 0 };

fn has_identity(report: &OutgoingBatch) -> bool {
    v1::Batch::decode(report.message.as_slice()).unwrap().identity.is_some()
}

#[test]
fn without_new_data_nothing_is_sent() {
    let mut bench = Bench::new("");
    assert_eq!(bench.poll(), None);
    bench.see(1);
    let report = bench.poll().unwrap();
    bench.arrive(&report);
    bench.reply(report.sequence, ACCEPTED);
    bench.now_ms += HEARTBEAT_MS - 1;
    assert_eq!(bench.poll(), None);
    assert_eq!(bench.totals(), "1+0 of 1 (0)");
}

#[test]
fn the_ledger_is_sent_as_a_heartbeat() {
    let mut bench = Bench::new("");
    bench.now_ms += HEARTBEAT_MS;
    assert_eq!(bench.poll(), None, "a VM without requests has an empty ledger");
    bench.see(1);
    for round in 1..=3 {
        let report = bench.poll().unwrap();
        assert!(report.message.len() < 200, "{} bytes", report.message.len());
        bench.arrive(&report);
        bench.reply(report.sequence, ACCEPTED);
        assert_eq!((report.sequence, bench.poll()), (round, None));
        bench.now_ms += HEARTBEAT_MS;
    }
    assert_eq!(bench.totals(), "1+0 of 1 (0)");
}

#[test]
fn a_batch_waits_for_the_interval_unless_it_is_full() {
    let mut bench = Bench::new(r#""batch_records_max": 2"#);
    bench.see(1);
    let first = bench.poll().unwrap();
    bench.see(1);
    assert_eq!(bench.poll(), None, "too early");
    bench.see(1);
    assert_eq!(bench.poll().unwrap().sequence, first.sequence + 1, "full");
    bench.see(1);
    bench.now_ms += 1_000;
    assert_eq!(bench.poll().unwrap().sequence, first.sequence + 2, "due");
}

#[test]
fn a_repeat_has_the_same_sequence_and_content() {
    let mut bench = Bench::new("");
    bench.see(1);
    let first = bench.poll().unwrap();
    bench.arrive(&first);
    bench.reply(first.sequence, Reply::Failed);
    bench.see(2);
    assert_eq!(bench.poll(), None, "paused after a failure");
    bench.now_ms += 1_000;
    let repeat = bench.poll().unwrap();
    let content = |report: &OutgoingBatch| {
        let batch = v1::Batch::decode(report.message.as_slice()).unwrap();
        v1::Batch { attempt: 0, ..batch }
    };
    assert_eq!((repeat.sequence, content(&repeat)), (first.sequence, content(&first)));
    bench.arrive(&repeat);
    bench.reply(repeat.sequence, ACCEPTED);
    let next = bench.poll().unwrap();
    assert_eq!(next.sequence, 2);
}

#[test]
fn the_identity_is_sent_until_the_collector_knows_it() {
    let mut bench = Bench::new("");
    bench.see(1);
    let first = bench.poll().unwrap();
    assert!(has_identity(&first));
    bench.reply(first.sequence, Reply::NotAccepted { need_identity: true, backoff_ms: 0 });
    let again = bench.poll().unwrap();
    assert!(again.sequence == first.sequence && has_identity(&again));
    bench.reply(again.sequence, ACCEPTED);
    bench.see(1);
    bench.now_ms += 1_000;
    let second = bench.poll().unwrap();
    assert!(!has_identity(&second));
    bench.reply(second.sequence, Reply::NotAccepted { need_identity: true, backoff_ms: 0 });
    let repeated = bench.poll().unwrap();
    assert!(repeated.sequence == second.sequence && has_identity(&repeated));
}

#[test]
fn a_full_buffer_folds_first_and_drops_last() {
    let mut bench = Bench::new(r#""batch_records_max": 1, "fold_rows_max": 1"#).with_capacity(3);
    for service in [1, 1, 2, 3, 3] {
        bench.see(service);
    }
    // Two requests of service 1 share the only fold row; the request of service 2 has none.
    for _ in 0..2 {
        let report = bench.poll().unwrap();
        bench.arrive(&report);
        bench.reply(report.sequence, ACCEPTED);
    }
    assert_eq!(bench.totals(), "2+2 of 5 (1)");
}

#[test]
fn a_refused_batch_is_dropped_and_reported() {
    let mut bench = Bench::new("");
    bench.see(1);
    let report = bench.poll().unwrap();
    bench.reply(report.sequence, Reply::Refused(DropReason::TooLarge));
    bench.now_ms += 1_000;
    let next = bench.poll().unwrap();
    bench.arrive(&next);
    assert_eq!((next.sequence, bench.totals().as_str()), (2, "0+0 of 1 (1)"));
}

#[test]
fn the_backoff_of_the_collector_is_applied() {
    let mut bench = Bench::new("");
    bench.see(1);
    let report = bench.poll().unwrap();
    bench.reply(report.sequence, Reply::Accepted { need_identity: false, backoff_ms: 5_000 });
    bench.see(1);
    bench.now_ms += 4_999;
    assert_eq!(bench.poll(), None);
    bench.now_ms += 1;
    assert!(bench.poll().is_some());
}

#[test]
fn a_lost_batch_is_sent_again_at_once() {
    let mut bench = Bench::new("");
    bench.see(1);
    let report = bench.poll().unwrap();
    assert_eq!(bench.poll(), None);
    bench.sender.on_lost(report.sequence);
    assert_eq!(bench.poll().unwrap().sequence, report.sequence);
    bench.sender.on_lost(99);
}

/// Runs requests `(second, code, duration in milliseconds)` and checks the time and content of each
/// batch: `second:records+folded`.
#[track_caller]
fn check_times(config: &str, requests: &[(u64, u32, u64)], until_s: u64, expected: &str) {
    let mut bench = Bench::new("");
    bench.config = Config::parse(
        format!(r#"{{"collector": {{"cluster": "c"}}{config}}}"#).as_bytes(),
        &ProxyLocation::default(),
    )
    .unwrap();
    let start_ms = bench.now_ms;
    let mut reports = Vec::new();
    for ms in (0..=until_s * 1_000).step_by(usize::try_from(bench.config.tick_ms()).unwrap()) {
        bench.now_ms = start_ms + ms;
        // Each request ends half a tick before the tick.
        let from = (ms + 500).saturating_sub(bench.config.tick_ms())..ms + 500;
        for (_, response_code, took_ms) in requests.iter().filter(|(s, ..)| from.contains(&(s * 1_000))) {
            let outcome = Outcome { response_code: *response_code, ..Outcome::default() };
            let ended_us = bench.now_ms.saturating_sub(bench.config.tick_ms() / 2) * 1_000;
            let stats = RequestStats {
                start_us: ended_us - took_ms * 1_000,
                duration_us: took_ms * 1_000,
                ..RequestStats::default()
            };
            bench.buffer.push(
                &Record { edge: Edge::default().into(), outcome, stats, messages: MessageCounts::default() },
                &bench.config,
                ended_us,
            );
        }
        while let Some(report) = bench.poll() {
            let batch = v1::Batch::decode(report.message.as_slice()).unwrap();
            let records = batch.records.as_ref().map_or(0, |records| records.edge.len());
            let folded: u64 = batch.folds.iter().map(|fold| fold.count).sum();
            reports.push(format!("{}:{records}+{folded}", ms / 1_000));
            bench.arrive(&report);
            bench.reply(report.sequence, ACCEPTED);
        }
    }
    assert_eq!(reports.join(" "), expected);
}

#[test]
fn without_failures_batches_become_rare() {
    let steady: Vec<(u64, u32, u64)> = (0..24).map(|second| (second, 200, 1)).collect();
    check_times("", &steady, 24, "0:1+0 1:1+0 3:2+0 7:4+0 12:5+0 17:5+0 22:5+0");
    check_times(r#", "report_interval_ms": 1000"#, &steady, 3, "0:1+0 1:1+0 2:1+0 3:1+0");
}

#[test]
fn a_failure_is_sent_soon_and_an_idle_proxy_sends_heartbeats() {
    let steady: Vec<(u64, u32, u64)> = (0..12).map(|s| (s, if s == 9 { 503 } else { 200 }, 1)).collect();
    check_times("", &steady, 44, "0:1+0 1:1+0 3:2+0 7:4+0 9:2+0 10:1+0 11:1+0 26:0+0 41:0+0");
    check_times("", &[], 44, "");
}

#[test]
fn detail_follows_the_configuration_and_counts_are_exact() {
    let mix = [(0, 200, 1), (0, 200, 999), (0, 200, 1_000), (0, 404, 1), (0, 302, 1)];
    check_times("", &mix, 0, "0:5+0");
    check_times(r#", "detail": "failures""#, &mix, 0, "0:2+3");
    check_times(r#", "detail": "failures", "slow_ms": 999"#, &mix, 0, "0:3+2");
    check_times(r#", "detail": "none""#, &mix, 0, "0:0+5");
}

/// Runs requests, ticks, failures, repeats and refusals in an order that the seed decides, and
/// checks the ledger.
fn check_random_events(seed: u64) {
    let limits = r#""batch_records_max": 3, "batches_in_flight_max": 2, "fold_rows_max": 2"#;
    let mut bench = Bench::new(limits).with_capacity(9);
    let mut random = Backoff::new(seed);
    let mut in_flight = Vec::new();
    let mut seen = 0;
    for _ in 0..600 {
        match random.random() % 8 {
            0..=3 => {
                bench.see((random.random() % 4) as u32);
                seen += 1;
            }
            4 | 5 => {
                bench.now_ms += random.random() % 1_500;
                in_flight.extend(bench.poll());
                assert!(in_flight.len() <= 2);
            }
            _ if in_flight.is_empty() => {}
            choice => {
                let report = in_flight.swap_remove((random.random() % in_flight.len() as u64) as usize);
                let arrived = choice == 6 || random.random().is_multiple_of(2);
                if arrived {
                    bench.arrive(&report);
                }
                // The reply to a batch that arrived may still be lost.
                let answered = arrived && !random.random().is_multiple_of(3);
                bench.reply(report.sequence, if answered { ACCEPTED } else { Reply::Failed });
            }
        }
    }
    for report in in_flight {
        bench.reply(report.sequence, Reply::Failed);
    }
    // Until a batch has the ledger only.
    loop {
        // Longer than any pause, and shorter than the heartbeat interval.
        bench.now_ms += HEARTBEAT_MS - 1;
        let Some(report) = bench.poll() else { break };
        if report.sequence > bench.arrived.last_key_value().map_or(0, |(last, _)| *last)
            && bench.buffer.since_ms().is_none()
            && v1::Batch::decode(report.message.as_slice()).unwrap().outcomes.is_empty()
        {
            bench.arrive(&report);
            break;
        }
        bench.arrive(&report);
        bench.reply(report.sequence, ACCEPTED);
    }
    let sequences: Vec<u64> = bench.arrived.keys().copied().collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "sequence numbers without gaps");
    let ledger = bench.buffer.ledger.encode().into_bytes();
    let ledger = v1::Ledger::decode(ledger.as_slice()).unwrap();
    let dropped: u64 = ledger.dropped.iter().map(|drop| drop.count_total).sum();
    let text = format!("{}+{} of {seen} ({dropped})", ledger.sent_total, ledger.folded_total);
    assert_eq!((bench.totals(), ledger.buffered), (text, 0));
}

#[test]
fn the_ledger_always_balances() {
    for seed in 1..200 {
        check_random_events(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
    }
}

/// The first attempt is encoded as 0.
#[test]
fn an_attempt_counts_reports_without_an_answer() {
    let mut bench = Bench::new("");
    bench.see(1);
    let mut attempts = Vec::new();
    let not_taken = Reply::NotAccepted { need_identity: true, backoff_ms: 0 };
    for answer in [Some(not_taken), Some(Reply::Failed), None, Some(ACCEPTED)] {
        bench.now_ms += 60_000;
        let report = bench.poll().unwrap();
        attempts.push(v1::Batch::decode(report.message.as_slice()).unwrap().attempt.max(1));
        match answer {
            Some(reply) => bench.reply(report.sequence, reply),
            None => bench.sender.on_lost(report.sequence),
        }
    }
    assert_eq!(attempts, [1, 1, 2, 3]);
}
