//! One run: a mesh on virtual time.
//!
//! In: a seed. Out: counts of the run.
//! Invariant: events happen in the order of their times; the time after the faults is long enough
//! for every batch that can still arrive.

use crate::checks::{self, Epochs};
use crate::collector::Collector;
use crate::envoy_attributes::{Ended, Pod};
use crate::ground_truth::{Epoch, Sums};
use crate::proxy::Proxy;
use hopscope_core::engine::Settings;
use hopscope_core::intake::validate;
use hopscope_mesh::random::Random;
use prost::bytes::Bytes;
use std::collections::BTreeMap;

const MS: u64 = 1_000;
const SECOND: u64 = 1_000 * MS;
const START: u64 = 1_700_000_000 * SECOND;
/// Time with faults and requests.
const FAULT_PHASE: u64 = 30 * SECOND;
/// Time with reports only: longer than the longest backoff and the longest silence of a filter.
const QUIET_PHASE: u64 = 60 * SECOND;
/// Timeout of a report in Envoy.
const TIMEOUT: u64 = 3 * SECOND;

/// An event.
enum Event {
    /// Requests complete.
    Requests,
    /// The timer of a plugin.
    Tick(usize),
    /// A message arrives at the collector; the recipient of the answer, unless the call has ended.
    Arrives(Bytes, Option<(usize, u64, u32)>),
    /// An answer arrives at the proxy of an epoch.
    Answer {
        proxy: usize,
        epoch: u64,
        token: u32,
        status: u32,
        bytes: Vec<u8>,
    },
    PluginEnds,
    ProxyEnds,
    CollectorEnds,
    CollectorStarts,
    Checkpoint,
    CollectorTick,
    Check,
}

/// Fault probabilities, percent.
struct FaultRates {
    lost: u64,
    doubled: u64,
    late: u64,
    answers_lost: u64,
}

struct World {
    random: Random,
    fault_rates: FaultRates,
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    order: u64,
    configuration: String,
    proxies: Vec<Proxy>,
    epochs: Epochs,
    collector: Collector,
    with_journal: bool,
    numbers: u64,
    sums: Sums,
}

/// Runs a seed.
pub(crate) fn run(seed: u64) -> Sums {
    let mut world = World::new(seed);
    world.schedule();
    world.until(START + FAULT_PHASE);
    world.fault_rates = FaultRates { lost: 0, doubled: 0, late: 0, answers_lost: 0 };
    world.until(START + FAULT_PHASE + QUIET_PHASE);
    world.end();
    world.sums
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (batch, in_flight, rows) = (random.between(2, 12), random.between(1, 4), random.between(0, 6));
        let (buffer, interval) = (random.between(4_096, 16_384), random.between(200, 5_000));
        let configuration = format!(
            r#"{{"collector": {{"cluster": "c"}}, "report_interval_ms": {interval}, "limits": {{"batch_records_max": {batch},
               "buffer_bytes_max": {buffer}, "batches_in_flight_max": {in_flight}, "fold_rows_max": {rows}}}}}"#
        );
        let mut limits = Settings::default();
        limits.join.pending_max = usize::try_from(random.between(8, 400)).unwrap();
        limits.join.edges_max = usize::try_from(random.between(1, 40)).unwrap();
        limits.aggregate.series_max = usize::try_from(random.between(2, 60)).unwrap();
        limits.identity.pending_groups_max = usize::try_from(random.between(0, 20)).unwrap();
        limits.identity.caller_inference_max = usize::try_from(random.between(0, 60)).unwrap();
        // Some collectors reject batches that some filters send.
        let records_max = if random.percent(20) { random.between(2, 11) } else { 1_024 };
        // Some collectors reject old records.
        let age_us_max =
            if random.percent(20) { random.between(6 * SECOND, 20 * SECOND) } else { 24 * 3_600 * SECOND };
        let records_max = usize::try_from(records_max).unwrap();
        let batch_limits = validate::Limits { records_max, age_us_max, ..validate::Limits::default() };
        let with_journal = random.percent(50);
        let fault_rates = FaultRates {
            lost: random.between(0, 30),
            doubled: random.between(0, 20),
            late: random.between(0, 30),
            answers_lost: random.between(0, 30),
        };
        Self {
            fault_rates,
            now: START,
            events: BTreeMap::new(),
            order: 0,
            configuration,
            proxies: Vec::new(),
            epochs: Epochs::new(),
            collector: Collector::new(limits, batch_limits, with_journal),
            with_journal,
            numbers: 0,
            sums: Sums::default(),
            random,
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.order += 1;
        self.events.insert((time, self.order), event);
    }

    fn after(&mut self, low: u64, high: u64, event: Event) {
        let time = self.now + self.random.between(low, high);
        self.at(time, event);
    }

    fn at_random_times(&mut self, count: u64, event: fn() -> Event) {
        for _ in 0..self.random.between(0, count) {
            self.after(0, FAULT_PHASE, event());
        }
    }

    /// Schedules the events that do not depend on others.
    fn schedule(&mut self) {
        for number in 0..self.random.between(2, 4) {
            let number = usize::try_from(number).unwrap();
            let proxy = self.proxy(Pod::new(number));
            self.proxies.push(proxy);
            self.after(0, SECOND, Event::Tick(number));
        }
        self.at(START, Event::Requests);
        self.at(START, Event::CollectorTick);
        self.at_random_times(2, || Event::PluginEnds);
        self.at_random_times(3, || Event::ProxyEnds);
        self.at_random_times(3, || Event::CollectorEnds);
        self.at_random_times(3, || Event::Checkpoint);
        self.at_random_times(8, || Event::Check);
        self.at(START + FAULT_PHASE + QUIET_PHASE, Event::Check);
    }

    /// Starts a proxy.
    fn proxy(&mut self, pod: Pod) -> Proxy {
        let number = self.random.number().max(1);
        self.epochs.insert(number, Epoch::of(&pod.proxy));
        let ahead = self.random.between(0, 5 * SECOND);
        Proxy::start(pod, number, ahead, &self.configuration)
    }

    fn until(&mut self, end: u64) {
        while let Some(first) = self.events.first_entry() {
            let (time, _) = *first.key();
            if time > end {
                break;
            }
            let event = first.remove();
            self.now = time;
            self.handle(event);
        }
        self.now = end;
    }

    fn has_faults(&self) -> bool {
        self.now < START + FAULT_PHASE
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Requests => self.requests(),
            Event::Tick(proxy) => self.tick(proxy),
            Event::Arrives(message, back) => self.arrives(&message, back),
            Event::Answer { proxy, epoch, token, status, bytes } => {
                self.answer(proxy, epoch, token, (status, &bytes));
            }
            Event::PluginEnds => {
                let proxy = self.any_proxy();
                self.proxies[proxy].plugin_ends();
            }
            Event::ProxyEnds => self.proxy_ends(),
            Event::CollectorEnds if self.collector.is_up => {
                self.collector.end();
                self.after(100 * MS, 8 * SECOND, Event::CollectorStarts);
                let name = if self.with_journal {
                    "collectors_ended_with_journal"
                } else {
                    "collectors_ended_without"
                };
                self.sums.count(name, 1);
            }
            Event::CollectorStarts => self.collector.start(),
            Event::Checkpoint if self.collector.is_up => self.collector.checkpoint(),
            Event::CollectorEnds | Event::Checkpoint => {}
            Event::CollectorTick => {
                if self.collector.is_up {
                    self.collector.tick(self.now);
                }
                self.at(self.now + 250 * MS, Event::CollectorTick);
            }
            Event::Check => self.check(),
        }
    }

    /// Delivers an answer; the next batch leaves at once, as in Envoy.
    fn answer(&mut self, number: usize, epoch: u64, token: u32, (status, bytes): (u32, &[u8])) {
        let proxy = &mut self.proxies[number];
        let known = self.epochs.get_mut(&epoch).filter(|_| proxy.epoch == epoch);
        let Some(known) = known else { return };
        proxy.answer(token, status, bytes, self.now, known);
        self.report(number);
    }

    fn any_proxy(&mut self) -> usize {
        usize::try_from(self.random.number() % self.proxies.len() as u64).unwrap()
    }

    /// Completes some requests, on both sides.
    fn requests(&mut self) {
        for _ in 0..self.random.between(1, 6) {
            let caller = self.any_proxy();
            let called = (caller + 1) % self.proxies.len();
            let has_failed = self.random.percent(10);
            let id = format!("id-{}", self.random.between(0, 400));
            let service = self.random.between(0, 4);
            let is_hidden = self.random.percent(30);
            for (own, peer) in [(caller, called), (called, caller)] {
                self.numbers += 1;
                let is_destination = own == called;
                let ended = Ended {
                    is_destination,
                    number: self.numbers << 20 | self.random.number() & 0xf_ffff,
                    id: id.clone(),
                    duration_us: if is_destination { 5_000 } else { 8_000 },
                    code: if has_failed { 503 } else { 200 },
                    flags: if has_failed && !is_destination { 0x40 } else { 0 },
                    peer: self.proxies[peer].pod.clone(),
                    is_hidden,
                    service,
                };
                let proxy = &mut self.proxies[own];
                proxy.see(&ended, self.now, self.epochs.get_mut(&proxy.epoch).unwrap());
            }
        }
        if self.has_faults() {
            self.after(5 * MS, 400 * MS, Event::Requests);
        }
    }

    fn tick(&mut self, number: usize) {
        self.report(number);
        self.after(150 * MS, 600 * MS, Event::Tick(number));
    }

    /// Sends the due batches.
    fn report(&mut self, number: usize) {
        for _ in 0..8 {
            let proxy = &mut self.proxies[number];
            let epoch = self.epochs.get_mut(&proxy.epoch).unwrap();
            let Some((token, message)) = proxy.poll(self.now, epoch) else { break };
            let back = (number, proxy.epoch, token);
            self.send(Bytes::from(message), back);
        }
    }

    /// Sends a message, with random faults.
    fn send(&mut self, message: Bytes, back: (usize, u64, u32)) {
        let (proxy, epoch, token) = back;
        let broken = |status| Event::Answer { proxy, epoch, token, status, bytes: Vec::new() };
        if self.random.percent(self.fault_rates.doubled) {
            self.sums.count("batches_doubled", 1);
            self.after(MS, 10 * SECOND, Event::Arrives(message.clone(), None));
        }
        if self.random.percent(self.fault_rates.lost) {
            self.sums.count("batches_lost", 1);
            return self.after(MS, TIMEOUT, broken(14));
        }
        let is_late = self.random.percent(self.fault_rates.late);
        let delay =
            if is_late { self.random.between(MS, 10 * SECOND) } else { self.random.between(MS, 20 * MS) };
        let answer_is_lost = self.random.percent(self.fault_rates.answers_lost);
        if delay >= TIMEOUT || answer_is_lost {
            self.sums.count("answers_lost", 1);
            self.at(self.now + TIMEOUT, broken(4));
            return self.at(self.now + delay, Event::Arrives(message, None));
        }
        self.at(self.now + delay, Event::Arrives(message, Some(back)));
    }

    fn arrives(&mut self, message: &Bytes, back: Option<(usize, u64, u32)>) {
        let (status, bytes) = self.collector.report(message, self.now);
        if let Some((proxy, epoch, token)) = back {
            self.after(MS, 20 * MS, Event::Answer { proxy, epoch, token, status, bytes });
        }
    }

    /// Kills a proxy: buffered requests are lost, sent batches still arrive.
    fn proxy_ends(&mut self) {
        let number = self.any_proxy();
        let started = self.proxy(self.proxies[number].pod.clone());
        let old = std::mem::replace(&mut self.proxies[number], started);
        let epoch = self.epochs.get_mut(&old.epoch).unwrap();
        checks::filter(&old, epoch);
        epoch.has_ended = true;
        self.sums.count("proxies_ended", 1);
        self.sums.count("lost_with_proxy", old.vm.buffer().ledger.buffered());
    }

    fn check(&mut self) {
        for proxy in &self.proxies {
            checks::filter(proxy, &self.epochs[&proxy.epoch]);
        }
        if self.collector.is_up {
            let in_flight = checks::ledger(&self.collector, &self.epochs);
            self.sums.count("in_flight_at_check", in_flight);
            checks::join(&self.collector);
        }
    }

    /// Checks the counts at the end of the run, then those after all epochs have expired.
    fn end(&mut self) {
        for proxy in &self.proxies {
            assert!(proxy.is_quiet(), "{} has pending batches", proxy.pod.proxy);
            let epoch = &self.epochs[&proxy.epoch];
            let sent = epoch.sent.iter().filter(|(_, batch)| batch.refused_at.is_none());
            for (sequence, batch) in sent {
                // A collector without a journal may have accepted the batch before it restarted.
                let is_accepted = self.collector.accepted.batches.contains(&(proxy.epoch, *sequence));
                assert!(is_accepted || !self.with_journal || batch.requests() == 0, "{sequence} is missing");
            }
        }
        self.collector.engine.close(self.now);
        checks::counters(&self.collector, &self.epochs, &mut self.sums);
        let silent = hopscope_core::ledger::Limits::default().silent_us_max;
        self.collector.engine.tick(self.now + silent + 60 * SECOND);
        checks::closed(&self.collector, &self.epochs, &mut self.sums);
        let seen: u64 = self.epochs.values().map(|epoch| epoch.seen).sum();
        self.sums.count("seen", seen);
        self.sums.count("late_repeats", self.collector.late_repeats);
        self.sums.count("batches_overtaken", self.collector.overtaken);
    }
}
