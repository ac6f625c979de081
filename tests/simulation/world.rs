//! One run: a mesh on virtual time.
//!
//! In: a seed. Out: what it came to. Always holds: events happen in the order of their times; after the faults there is time
//! enough for all that can still arrive.

use crate::checks::{self, Epochs};
use crate::collector::Collector;
use crate::envoy_attributes::{Ended, Site};
use crate::ground_truth::{Epoch, Sums};
use crate::proxy::Proxy;
use crate::random::Random;
use hopscope::ingest::check;
use hopscope::pipeline::Limits;
use prost::bytes::Bytes;
use std::collections::BTreeMap;

const MS: u64 = 1_000;
const SECOND: u64 = 1_000 * MS;
const START: u64 = 1_700_000_000 * SECOND;
/// Faults and requests happen for so long.
const TROUBLE: u64 = 30 * SECOND;
/// Then so long nothing happens but reports: longer than the longest pause and the longest silence of a filter.
const PEACE: u64 = 60 * SECOND;
/// A filter's host gives up on an answer.
const TIMEOUT: u64 = 3 * SECOND;

/// Something that happens.
enum Event {
    /// Requests end.
    Requests,
    /// A plugin looks at what is due.
    Tick(usize),
    /// A message is at the collector; where the answer goes to, if anybody waits for it.
    Arrives(Bytes, Option<(usize, u64, u32)>),
    /// An answer is at an epoch's proxy.
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
    Look,
}

/// How bad it is, of 100.
struct Weather {
    lost: u64,
    doubled: u64,
    late: u64,
    answers_lost: u64,
}

struct World {
    random: Random,
    weather: Weather,
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
    world.plan();
    world.until(START + TROUBLE);
    world.weather = Weather { lost: 0, doubled: 0, late: 0, answers_lost: 0 };
    world.until(START + TROUBLE + PEACE);
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
        let mut limits = Limits::default();
        limits.join.pending_max = usize::try_from(random.between(8, 400)).unwrap();
        limits.join.edges_max = usize::try_from(random.between(1, 40)).unwrap();
        limits.aggregate.series_max = usize::try_from(random.between(2, 60)).unwrap();
        limits.waiting.groups_max = usize::try_from(random.between(0, 20)).unwrap();
        limits.unnamed_max = usize::try_from(random.between(0, 60)).unwrap();
        // Some collectors refuse what some filters send.
        let records_max = if random.percent(20) { random.between(2, 11) } else { 1_024 };
        // And some do not take what waited for long.
        let age_us_max =
            if random.percent(20) { random.between(6 * SECOND, 20 * SECOND) } else { 24 * 3_600 * SECOND };
        let records_max = usize::try_from(records_max).unwrap();
        let door = validate::Limits { records_max, age_us_max, ..validate::Limits::default() };
        let with_journal = random.percent(50);
        let weather = Weather {
            lost: random.between(0, 30),
            doubled: random.between(0, 20),
            late: random.between(0, 30),
            answers_lost: random.between(0, 30),
        };
        Self {
            weather,
            now: START,
            events: BTreeMap::new(),
            order: 0,
            configuration,
            proxies: Vec::new(),
            epochs: Epochs::new(),
            collector: Collector::new(limits, door, with_journal),
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

    fn some_time(&mut self, count: u64, event: fn() -> Event) {
        for _ in 0..self.random.between(0, count) {
            self.after(0, TROUBLE, event());
        }
    }

    /// What is known to happen from the beginning.
    fn plan(&mut self) {
        for number in 0..self.random.between(2, 4) {
            let number = usize::try_from(number).unwrap();
            let proxy = self.proxy(Site::new(number));
            self.proxies.push(proxy);
            self.after(0, SECOND, Event::Tick(number));
        }
        self.at(START, Event::Requests);
        self.at(START, Event::CollectorTick);
        self.some_time(2, || Event::PluginEnds);
        self.some_time(3, || Event::ProxyEnds);
        self.some_time(3, || Event::CollectorEnds);
        self.some_time(3, || Event::Checkpoint);
        self.some_time(8, || Event::Look);
        self.at(START + TROUBLE + PEACE, Event::Look);
    }

    /// A new life of a proxy.
    fn proxy(&mut self, site: Site) -> Proxy {
        let number = self.random.next().max(1);
        self.epochs.insert(number, Epoch::of(&site.proxy));
        let ahead = self.random.between(0, 5 * SECOND);
        Proxy::start(site, number, ahead, &self.configuration)
    }

    fn until(&mut self, end: u64) {
        while let Some(first) = self.events.first_entry() {
            let (time, _) = *first.key();
            if time > end {
                break;
            }
            let event = first.remove();
            self.now = time;
            self.happens(event);
        }
        self.now = end;
    }

    fn is_troubled(&self) -> bool {
        self.now < START + TROUBLE
    }

    fn happens(&mut self, event: Event) {
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
                let how = if self.with_journal {
                    "collectors_ended_with_journal"
                } else {
                    "collectors_ended_without"
                };
                self.sums.count(how, 1);
            }
            Event::CollectorStarts => self.collector.start(),
            Event::Checkpoint if self.collector.is_up => self.collector.checkpoint(),
            Event::CollectorEnds | Event::Checkpoint => {}
            Event::CollectorTick => {
                if self.collector.is_up {
                    self.collector.engine.tick(self.now);
                }
                self.at(self.now + 250 * MS, Event::CollectorTick);
            }
            Event::Look => self.look(),
        }
    }

    /// As the filter's host does it: the next batch does not wait for a tick.
    fn answer(&mut self, number: usize, epoch: u64, token: u32, (status, bytes): (u32, &[u8])) {
        let proxy = &mut self.proxies[number];
        let known = self.epochs.get_mut(&epoch).filter(|_| proxy.epoch == epoch);
        let Some(known) = known else { return };
        proxy.answer(token, status, bytes, self.now, known);
        self.report(number);
    }

    fn any_proxy(&mut self) -> usize {
        usize::try_from(self.random.next() % self.proxies.len() as u64).unwrap()
    }

    /// Some calls end, at both sides.
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
                    number: self.numbers << 20 | self.random.next() & 0xf_ffff,
                    id: id.clone(),
                    duration_us: if is_destination { 5_000 } else { 8_000 },
                    code: if has_failed { 503 } else { 200 },
                    flags: if has_failed && !is_destination { 0x40 } else { 0 },
                    peer: self.proxies[peer].site.clone(),
                    is_hidden,
                    service,
                };
                let proxy = &mut self.proxies[own];
                proxy.see(&ended, self.now, self.epochs.get_mut(&proxy.epoch).unwrap());
            }
        }
        if self.is_troubled() {
            self.after(5 * MS, 400 * MS, Event::Requests);
        }
    }

    fn tick(&mut self, number: usize) {
        self.report(number);
        self.after(150 * MS, 600 * MS, Event::Tick(number));
    }

    /// Sends what is due.
    fn report(&mut self, number: usize) {
        for _ in 0..8 {
            let proxy = &mut self.proxies[number];
            let epoch = self.epochs.get_mut(&proxy.epoch).unwrap();
            let Some((token, message)) = proxy.poll(self.now, epoch) else { break };
            let back = (number, proxy.epoch, token);
            self.send(Bytes::from(message), back);
        }
    }

    /// A message leaves, and has its fate.
    fn send(&mut self, message: Bytes, back: (usize, u64, u32)) {
        let (proxy, epoch, token) = back;
        let broken = |status| Event::Answer { proxy, epoch, token, status, bytes: Vec::new() };
        if self.random.percent(self.weather.doubled) {
            self.sums.count("batches_doubled", 1);
            self.after(MS, 10 * SECOND, Event::Arrives(message.clone(), None));
        }
        if self.random.percent(self.weather.lost) {
            self.sums.count("batches_lost", 1);
            return self.after(MS, TIMEOUT, broken(14));
        }
        let is_late = self.random.percent(self.weather.late);
        let delay =
            if is_late { self.random.between(MS, 10 * SECOND) } else { self.random.between(MS, 20 * MS) };
        let answer_is_lost = self.random.percent(self.weather.answers_lost);
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

    /// A proxy is killed: what waited in it is gone, and what had left it still arrives.
    fn proxy_ends(&mut self) {
        let number = self.any_proxy();
        let fresh = self.proxy(self.proxies[number].site.clone());
        let old = std::mem::replace(&mut self.proxies[number], fresh);
        let epoch = self.epochs.get_mut(&old.epoch).unwrap();
        checks::filter(&old, epoch);
        epoch.has_ended = true;
        self.sums.count("proxies_ended", 1);
        self.sums.count("ended_untold", old.vm.buffer().ledger.buffered());
    }

    fn look(&mut self) {
        for proxy in &self.proxies {
            checks::filter(proxy, &self.epochs[&proxy.epoch]);
        }
        if self.collector.is_up {
            let in_flight = checks::ledger(&self.collector, &self.epochs);
            self.sums.count("in_flight_at_a_look", in_flight);
            checks::join(&self.collector);
        }
    }

    /// Nothing is on its way any more; then all books are closed.
    fn end(&mut self) {
        for proxy in &self.proxies {
            assert!(proxy.is_quiet(), "{} still waits", proxy.site.proxy);
            let epoch = &self.epochs[&proxy.epoch];
            let told = epoch.told.iter().filter(|(_, told)| told.refused_at.is_none());
            for (sequence, told) in told {
                // An earlier collector may have taken it, and forgotten it when it ended.
                let is_taken = self.collector.taken.batches.contains(&(proxy.epoch, *sequence));
                assert!(is_taken || !self.with_journal || told.requests() == 0, "{sequence} has not come");
            }
        }
        self.collector.pipeline.close(self.now);
        checks::counters(&self.collector, &self.epochs, &mut self.sums);
        let silent = hopscope::ledger::Limits::default().silent_us_max;
        self.collector.pipeline.tick(self.now + silent + 60 * SECOND);
        checks::closed(&self.collector, &self.epochs, &mut self.sums);
        let seen: u64 = self.epochs.values().map(|epoch| epoch.seen).sum();
        self.sums.count("seen", seen);
        self.sums.count("late_repeats", self.collector.late_repeats);
        self.sums.count("batches_overtaken", self.collector.overtaken);
    }
}
