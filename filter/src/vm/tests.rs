use super::Vm;
use crate::attributes::fake::FakeAttributes;
use crate::config::ProxyLocation;
use hopscope_proto::v1::{Ack, Batch, Protocol};
use prost::Message;
use std::collections::BTreeMap;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECOND_US: u64 = 1_000_000;
const START_US: u64 = 1_700_000_000 * SECOND_US;

/// A connection or a request in Envoy.
#[derive(Debug, Clone, Copy, Default)]
struct Actual {
    carries_http: bool,
    received: u64,
    sent: u64,
}

/// A proxy, and a collector that stores every batch once.
struct Bench {
    vm: Vm,
    now_us: u64,
    open: BTreeMap<u32, Actual>,
    batches: BTreeMap<u64, Batch>,
    token: u32,
}

/// Sums over all batches, or over all events.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    opened: u64,
    closed: u64,
    received: u64,
    sent: u64,
    requests: u64,
}

impl Bench {
    fn new(limits: &str) -> Self {
        let mut vm = Vm::new(7);
        let json = format!(
            r#"{{"collector": {{"cluster": "c"}}, "report_interval_ms": 1000, "limits": {{{limits}}}}}"#
        );
        vm.configure(json.as_bytes(), &ProxyLocation::default()).unwrap();
        Self { vm, now_us: START_US, open: BTreeMap::new(), batches: BTreeMap::new(), token: 0 }
    }

    fn proxy(&self, context: u32, actual: Actual) -> FakeAttributes {
        let Actual { received, sent, .. } = actual;
        let flags = if context.is_multiple_of(5) { 2 } else { 0 };
        let tcp = if actual.carries_http { "" } else { "upstream.transport_failure_reason =" };
        FakeAttributes::parse(&format!(
            "xds.listener_direction = {}
             request.time = {START_US}000
             request.size = {received}
             response.size = {sent}
             response.flags = {flags}
             upstream.address = 10.0.0.{}:9000
             source.address = 10.0.1.{}:4000
             connection.id = {context}
             {tcp}",
            1 + context % 2,
            context % 3,
            context % 4,
        ))
    }

    fn open(&mut self, context: u32, carries_http: bool) {
        self.vm.begin(context, 9);
        self.vm.connect(context);
        self.open.insert(context, Actual { carries_http, ..Actual::default() });
    }

    fn close(&mut self, context: u32) -> Actual {
        let actual = self.open.remove(&context).unwrap();
        self.vm.observe(context, &self.proxy(context, actual), self.now_us);
        actual
    }

    fn request(&mut self, context: u32) {
        self.vm.begin(context, 9);
        let proxy =
            FakeAttributes::parse("xds.listener_direction = 1\nrequest.duration = 1000\nresponse.code = 200");
        self.vm.observe(context, &proxy, self.now_us);
    }

    fn refresh(&mut self) {
        for context in self.vm.due_for_refresh(self.now_us) {
            let proxy = self.proxy(context, self.open[&context]).without_expressions();
            self.vm.refresh(context, &proxy, self.now_us);
        }
    }

    /// Sends the due batches; `outcome` decides for each whether it arrives, and whether the reply
    /// does.
    fn report(&mut self, mut outcome: impl FnMut() -> (bool, bool)) {
        let node = FakeAttributes::parse("xds.node.id = p");
        for _ in 0..8 {
            let Some(report) = self.vm.poll(&node, self.now_us / 1_000) else { return };
            self.token += 1;
            self.vm.dispatched(1, self.token, report.sequence);
            let (arrives, is_answered) = outcome();
            if arrives {
                let batch =
                    Batch { identity: None, attempt: 0, ..Batch::decode(report.message.as_slice()).unwrap() };
                let known = self.batches.insert(report.sequence, batch.clone());
                assert!(known.is_none_or(|known| known == batch), "a repeat is equal");
            }
            let ack = Ack { accepted_sequence: report.sequence, ..Ack::default() }.encode_to_vec();
            let status = if arrives && is_answered { 0 } else { 14 };
            self.vm.answered(self.token, status, &ack, self.now_us / 1_000);
        }
    }

    fn reported(&self) -> Sums {
        let mut sums = Sums::default();
        for batch in self.batches.values() {
            for row in &batch.connections {
                sums.opened += row.opened;
                sums.received += row.request_bytes;
                sums.sent += row.response_bytes;
            }
            let mut add = |outcome: u32, count: u64, received: u64, sent: u64| {
                let outcome = &batch.outcomes[outcome as usize];
                if outcome.protocol() != Protocol::Tcp {
                    sums.requests += count;
                    return;
                }
                sums.closed += count;
                sums.opened += if outcome.continued { 0 } else { count };
                sums.received += received;
                sums.sent += sent;
            };
            let records = batch.records.clone().unwrap();
            for (row, outcome) in records.outcome.iter().enumerate() {
                add(*outcome, 1, records.request_bytes[row], records.response_bytes[row]);
            }
            for fold in &batch.folds {
                add(fold.outcome, fold.count, fold.request_bytes_sum, fold.response_bytes_sum);
            }
        }
        sums
    }
}

/// Marsaglia's xorshift64.
fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

/// Runs connections, requests, refreshes, losses and repeats in an order that the seed decides.
fn check_random_events(mut random: u64) {
    let limits = r#""batch_records_max": 3, "buffer_bytes_max": 4096, "batches_in_flight_max": 2"#;
    let mut bench = Bench::new(limits);
    let mut expected = Sums::default();
    let mut context = 1;
    for _ in 0..400 {
        let choice = next(&mut random);
        let any = bench.open.keys().nth((choice >> 8) as usize % bench.open.len().max(1)).copied();
        match (choice % 8, any) {
            (0, _) => {
                context += 1;
                let carries_http = choice >> 16 & 3 == 0;
                bench.open(context, carries_http);
                expected.opened += u64::from(!carries_http);
            }
            (1, _) => {
                context += 1;
                bench.request(context);
                expected.requests += 1;
            }
            (2 | 3, Some(any)) => {
                let actual = bench.open.get_mut(&any).unwrap();
                actual.received += choice >> 20 & 0xff;
                actual.sent += choice >> 30 & 0xff;
            }
            (4, Some(any)) => {
                let actual = bench.close(any);
                if !actual.carries_http {
                    expected.closed += 1;
                    expected.received += actual.received;
                    expected.sent += actual.sent;
                }
            }
            _ => {
                bench.now_us += choice >> 12 & 0xf_ffff;
                bench.refresh();
                bench.report(|| (next(&mut random) & 1 == 0, next(&mut random) & 3 == 0));
            }
        }
    }
    for any in bench.open.keys().copied().collect::<Vec<_>>() {
        let actual = bench.close(any);
        if !actual.carries_http {
            expected.closed += 1;
            expected.received += actual.received;
            expected.sent += actual.sent;
        }
    }
    for _ in 0..192 {
        bench.now_us += 5 * SECOND_US;
        bench.report(|| (true, true));
    }
    assert_eq!(bench.reported(), expected);
    let ledger = bench.vm.buffer().ledger;
    assert_eq!((ledger.seen(), ledger.buffered()), (expected.closed + expected.requests, 0));
    assert_eq!((bench.vm.in_flight().requests.count(), bench.vm.in_flight().connections.count()), (0, 0));
}

#[test]
fn every_connection_and_byte_is_reported_once_in_any_order_of_events() {
    for seed in 1..200 {
        check_random_events(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
    }
}

#[test]
fn an_open_connection_is_reported_within_two_intervals_and_not_again_while_idle() {
    let mut bench = Bench::new("");
    bench.refresh();
    bench.open(4, false);
    bench.open.get_mut(&4).unwrap().sent = 70;
    let mut batches = Vec::new();
    for second in 1..=10 {
        bench.now_us = START_US + second * SECOND_US;
        bench.refresh();
        bench.report(|| (true, true));
        batches.push(bench.batches.len());
    }
    assert_eq!(bench.reported(), Sums { opened: 1, sent: 70, ..Sums::default() });
    assert_eq!(batches, [1; 10]);
}

/// The wall clock steps under traffic: every 100 ms a request, every second a tick.
#[track_caller]
fn check_steps(steps_s: &[i64]) {
    let mut bench = Bench::new("");
    let (mut steady_us, mut wall, mut context) = (START_US, 0_i64, 10);
    let (mut last_report_us, mut sent) = (START_US, 0);
    bench.open(4, false);
    bench.open.get_mut(&4).unwrap().sent = 70;
    for (index, step_s) in steps_s.iter().enumerate() {
        wall += step_s * SECOND_US as i64;
        for tick in 1..=40 {
            steady_us += SECOND_US;
            bench.now_us = steady_us.checked_add_signed(wall).unwrap();
            for _ in 0..10 {
                context += 1;
                bench.request(context);
            }
            bench.open.get_mut(&4).unwrap().sent += 1;
            bench.refresh();
            // Reports fail for a while before each step, so that a pause is pending.
            bench.report(|| (tick < 38, true));
            if bench.vm.sender().acknowledged() > sent {
                sent = bench.vm.sender().acknowledged();
                last_report_us = steady_us;
            }
            let silence_s = (steady_us - last_report_us) / SECOND_US;
            assert!(silence_s <= 5 + if tick < 38 { 5 } else { 0 }, "{silence_s} s after step {index}");
        }
    }
    bench.close(4);
    for _ in 0..30 {
        steady_us += SECOND_US;
        bench.now_us = steady_us.checked_add_signed(wall).unwrap();
        bench.report(|| (true, true));
    }
    let requests = 400 * steps_s.len() as u64;
    let sent = 70 + 40 * steps_s.len() as u64;
    assert_eq!(bench.reported(), Sums { opened: 1, closed: 1, sent, requests, ..Sums::default() });
    for batch in bench.batches.values() {
        assert!(
            batch.in_flight.iter().all(|side| side.oldest_age_us < 60 * SECOND_US),
            "{:?}",
            batch.in_flight
        );
        let records = batch.records.as_ref().unwrap();
        let limit_us = 41 * SECOND_US * steps_s.len() as u64;
        assert!(records.duration_us.iter().all(|us| (1..limit_us).contains(us)), "{:?}", records.duration_us);
    }
}

#[test]
fn a_step_of_the_wall_clock_neither_silences_nor_distorts() {
    let (minutes_10, hours_26) = (600, 26 * 3_600);
    for step_s in [-minutes_10, minutes_10, -hours_26, hours_26] {
        check_steps(&[0, step_s]);
        check_steps(&[0, step_s, -step_s]);
    }
}

#[test]
fn the_last_root_context_stays_until_all_batches_are_acknowledged() {
    let mut vm = Vm::new(7);
    vm.configure(
        br#"{"collector": {"cluster": "c"}, "report_interval_ms": 60000}"#,
        &ProxyLocation::default(),
    )
    .unwrap();
    let node = FakeAttributes::parse("");
    vm.root_created(1);
    vm.root_created(2);
    vm.begin(9, 1);
    vm.observe(9, &FakeAttributes::parse("xds.listener_direction = 2"), START_US);
    let now_ms = START_US / 1_000;
    assert_eq!(
        vm.poll(&node, now_ms).map(|report| report.sequence),
        Some(1),
        "the first batch is sent at once"
    );
    vm.dispatched(1, 5, 1);
    vm.answered(5, 0, &Ack { accepted_sequence: 1, ..Ack::default() }.encode_to_vec(), now_ms);
    vm.begin(10, 1);
    vm.observe(10, &FakeAttributes::parse("xds.listener_direction = 2"), START_US);
    assert_eq!(vm.poll(&node, now_ms), None, "the next batch waits for the interval");
    assert!(!vm.root_done(9) && !vm.root_done(1), "a request, and a root context that is not the last");
    assert!(vm.root_done(2));
    let last = vm.poll(&node, now_ms).unwrap();
    vm.dispatched(2, 6, last.sequence);
    assert!(vm.is_drained(1) && !vm.is_drained(2));
    vm.answered(6, 0, &Ack { accepted_sequence: last.sequence, ..Ack::default() }.encode_to_vec(), now_ms);
    assert!(vm.is_drained(2) && vm.poll(&node, now_ms).is_none());
    assert_eq!(vm.sender().acknowledged(), 2);
    vm.root_created(3);
    vm.begin(11, 3);
    vm.observe(11, &FakeAttributes::parse("xds.listener_direction = 2"), START_US);
    assert!(!vm.is_drained(3) && vm.poll(&node, now_ms).is_none(), "the VM goes on");
}
