use super::{HEARTBEAT_MS, ProxyIdentity, Report, Sender};
use crate::batch::Batch;
use crate::config::{Config, ProxyLocation};
use crate::record::{Edge, Outcome, Record, RequestStats};
use crate::report::buffer::Buffer;
use crate::report::reply::Reply;
use hopscope_proto::v1::{self, DropReason};
use prost::Message;
use std::collections::BTreeMap;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// One VM of a proxy, and all that a collector was told.
struct Bench {
    buffer: Buffer,
    sender: Sender,
    config: Config,
    now_ms: u64,
    told: BTreeMap<u64, v1::Batch>,
}

impl Bench {
    fn new(limits: &str) -> Self {
        let json = format!(r#"{{"collector": {{"cluster": "c"}}, "limits": {{{limits}}}}}"#);
        let config = Config::parse(json.as_bytes(), &ProxyLocation::default()).unwrap();
        Self {
            buffer: Buffer::default(),
            sender: Sender::new(7),
            config,
            now_ms: 1_000_000,
            told: BTreeMap::new(),
        }
    }

    /// With room for so few records as no configuration can ask for.
    fn with_room(mut self, records: usize) -> Self {
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
            messages: crate::record::MessageCounts::default(),
        };
        self.buffer.push(&record, &self.config);
    }

    fn poll(&mut self) -> Option<Report> {
        let proxy_identity = ProxyIdentity { proxy: "p".to_owned(), ..ProxyIdentity::default() };
        self.sender.poll(&mut self.buffer, &proxy_identity, &self.config, self.now_ms)
    }

    fn reply(&mut self, sequence: u64, reply: Reply) {
        self.sender.on_reply(&mut self.buffer, &self.config, sequence, reply, self.now_ms);
    }

    /// The collector takes the report; a repeat must be the same batch.
    fn take(&mut self, report: &Report) {
        let mut batch = v1::Batch::decode(report.message.as_slice()).unwrap();
        batch.identity = None;
        batch.attempt = 0;
        let told = self.told.entry(report.sequence).or_insert_with(|| batch.clone());
        assert_eq!(*told, batch);
    }

    /// What arrived and what the last batch says, as `records+folded of seen (dropped)`.
    fn books(&self) -> String {
        let records: usize =
            self.told.values().filter_map(|b| b.records.as_ref()).map(|r| r.edge.len()).sum();
        let folded: u64 = self.told.values().flat_map(|b| &b.folds).map(|f| f.count).sum();
        let ledger = self.told.values().next_back().and_then(|b| b.ledger.clone()).unwrap_or_default();
        let dropped: u64 = ledger.dropped.iter().map(|drop| drop.count_total).sum();
        assert_eq!(ledger.seen_total, ledger.sent_total + ledger.folded_total + dropped + ledger.buffered);
        format!("{records}+{folded} of {} ({dropped})", ledger.seen_total)
    }
}

const ACCEPTED: Reply = Reply::Accepted { need_identity: false, backoff_ms: 0 };

fn has_identity(report: &Report) -> bool {
    v1::Batch::decode(report.message.as_slice()).unwrap().identity.is_some()
}

#[test]
fn nothing_to_say_is_not_said() {
    let mut bench = Bench::new("");
    assert_eq!(bench.poll(), None);
    bench.see(1);
    let report = bench.poll().unwrap();
    bench.take(&report);
    bench.reply(report.sequence, ACCEPTED);
    bench.now_ms += HEARTBEAT_MS - 1;
    assert_eq!(bench.poll(), None);
    assert_eq!(bench.books(), "1+0 of 1 (0)");
}

#[test]
fn the_books_are_told_again_after_a_long_silence() {
    let mut bench = Bench::new("");
    bench.now_ms += HEARTBEAT_MS;
    assert_eq!(bench.poll(), None, "a VM that saw nothing has no books");
    bench.see(1);
    for round in 1..=3 {
        let report = bench.poll().unwrap();
        assert!(report.message.len() < 200, "{} bytes", report.message.len());
        bench.take(&report);
        bench.reply(report.sequence, ACCEPTED);
        assert_eq!((report.sequence, bench.poll()), (round, None));
        bench.now_ms += HEARTBEAT_MS;
    }
    assert_eq!(bench.books(), "1+0 of 1 (0)");
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
fn a_repeat_has_the_same_number_and_content() {
    let mut bench = Bench::new("");
    bench.see(1);
    let first = bench.poll().unwrap();
    bench.take(&first);
    bench.reply(first.sequence, Reply::Failed);
    bench.see(2);
    assert_eq!(bench.poll(), None, "it pauses after a failure");
    bench.now_ms += 1_000;
    let repeat = bench.poll().unwrap();
    let content = |report: &Report| {
        let batch = v1::Batch::decode(report.message.as_slice()).unwrap();
        v1::Batch { attempt: 0, ..batch }
    };
    assert_eq!((repeat.sequence, content(&repeat)), (first.sequence, content(&first)));
    bench.take(&repeat);
    bench.reply(repeat.sequence, ACCEPTED);
    let next = bench.poll().unwrap();
    assert_eq!(next.sequence, 2);
}

#[test]
fn the_identity_is_told_until_it_is_known() {
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
    let told_anew = bench.poll().unwrap();
    assert!(told_anew.sequence == second.sequence && has_identity(&told_anew));
}

#[test]
fn pressure_folds_first_and_drops_last() {
    let mut bench = Bench::new(r#""batch_records_max": 1, "fold_rows_max": 1"#).with_room(3);
    for service in [1, 1, 2, 3, 3] {
        bench.see(service);
    }
    // Two of service 1 share the only fold row; the one of service 2 found none.
    for _ in 0..2 {
        let report = bench.poll().unwrap();
        bench.take(&report);
        bench.reply(report.sequence, ACCEPTED);
    }
    assert_eq!(bench.books(), "2+2 of 5 (1)");
}

#[test]
fn a_refused_batch_is_dropped_and_told() {
    let mut bench = Bench::new("");
    bench.see(1);
    let report = bench.poll().unwrap();
    bench.reply(report.sequence, Reply::Refused(DropReason::TooLarge));
    bench.now_ms += 1_000;
    let confession = bench.poll().unwrap();
    bench.take(&confession);
    assert_eq!((confession.sequence, bench.books().as_str()), (2, "0+0 of 1 (1)"));
}

#[test]
fn the_collectors_wish_to_wait_is_respected() {
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
fn a_lost_call_is_sent_again_at_once() {
    let mut bench = Bench::new("");
    bench.see(1);
    let report = bench.poll().unwrap();
    assert_eq!(bench.poll(), None);
    bench.sender.on_lost(report.sequence);
    assert_eq!(bench.poll().unwrap().sequence, report.sequence);
    bench.sender.on_lost(99);
}

/// Requests as `(second, code, duration in milliseconds)` in, each report in time out: `second:records+folded`.
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
        // Each ends half a tick before the tick.
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
                &Record {
                    edge: Edge::default().into(),
                    outcome,
                    stats,
                    messages: crate::record::MessageCounts::default(),
                },
                &bench.config,
            );
        }
        while let Some(report) = bench.poll() {
            let batch = v1::Batch::decode(report.message.as_slice()).unwrap();
            let records = batch.records.as_ref().map_or(0, |records| records.edge.len());
            let folded: u64 = batch.folds.iter().map(|fold| fold.count).sum();
            reports.push(format!("{}:{records}+{folded}", ms / 1_000));
            bench.take(&report);
            bench.reply(report.sequence, ACCEPTED);
        }
    }
    assert_eq!(reports.join(" "), expected);
}

#[test]
fn while_all_is_well_reports_become_rare() {
    let steady: Vec<(u64, u32, u64)> = (0..24).map(|second| (second, 200, 1)).collect();
    check_times("", &steady, 24, "0:1+0 1:1+0 3:2+0 7:4+0 12:5+0 17:5+0 22:5+0");
    check_times(r#", "report_interval_ms": 1000"#, &steady, 3, "0:1+0 1:1+0 2:1+0 3:1+0");
}

#[test]
fn a_failure_hurries_and_an_idle_proxy_beats() {
    let steady: Vec<(u64, u32, u64)> = (0..12).map(|s| (s, if s == 9 { 503 } else { 200 }, 1)).collect();
    check_times("", &steady, 44, "0:1+0 1:1+0 3:2+0 7:4+0 9:2+0 10:1+0 11:1+0 26:0+0 41:0+0");
    check_times("", &[], 44, "");
}

#[test]
fn detail_is_what_is_asked_for_and_counts_are_exact() {
    let mix = [(0, 200, 1), (0, 200, 999), (0, 200, 1_000), (0, 404, 1), (0, 302, 1)];
    check_times("", &mix, 0, "0:5+0");
    check_times(r#", "detail": "failures""#, &mix, 0, "0:2+3");
    check_times(r#", "detail": "failures", "slow_ms": 999"#, &mix, 0, "0:3+2");
    check_times(r#", "detail": "none""#, &mix, 0, "0:0+5");
}

/// Requests, ticks, failures, repeats and refusals in an order that the seed decides: the books always close.
fn whatever_happens(seed: u64) {
    let limits = r#""batch_records_max": 3, "batches_in_flight_max": 2, "fold_rows_max": 2"#;
    let mut bench = Bench::new(limits).with_room(9);
    let mut random = Sender::new(seed);
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
                    bench.take(&report);
                }
                // The answer to a batch that arrived may still be lost.
                let answered = arrived && !random.random().is_multiple_of(3);
                bench.reply(report.sequence, if answered { ACCEPTED } else { Reply::Failed });
            }
        }
    }
    for report in in_flight {
        bench.reply(report.sequence, Reply::Failed);
    }
    // Until nothing is told but the books.
    loop {
        // Longer than any pause, and not so long that the books are told for their own sake.
        bench.now_ms += HEARTBEAT_MS - 1;
        let Some(report) = bench.poll() else { break };
        if report.sequence > bench.told.last_key_value().map_or(0, |(last, _)| *last)
            && bench.buffer.since_ms().is_none()
            && v1::Batch::decode(report.message.as_slice()).unwrap().outcomes.is_empty()
        {
            bench.take(&report);
            break;
        }
        bench.take(&report);
        bench.reply(report.sequence, ACCEPTED);
    }
    let sequences: Vec<u64> = bench.told.keys().copied().collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "numbers without gaps");
    let ledger = bench.buffer.ledger.encode().into_bytes();
    let ledger = v1::Ledger::decode(ledger.as_slice()).unwrap();
    let dropped: u64 = ledger.dropped.iter().map(|drop| drop.count_total).sum();
    let text = format!("{}+{} of {seen} ({dropped})", ledger.sent_total, ledger.folded_total);
    assert_eq!((bench.books(), ledger.buffered), (text, 0));
}

#[test]
fn the_books_always_close() {
    for seed in 1..200 {
        whatever_happens(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
    }
}

/// How a batch says which attempt it is: 0 stands for the first.
#[test]
fn an_attempt_counts_those_that_nobody_answered() {
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
