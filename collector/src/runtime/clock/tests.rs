//! Steps of the machine's clock under traffic.

use super::{Clock, Limits, advance};
use crate::runtime::engine_cell::EngineCell;
use crate::runtime::engine_handle::{EngineHandle, PendingAck};
use crate::runtime::self_metrics::SelfMetrics;
use hopscope_core::engine::{Answer, Engine, Settings};
use hopscope_core::identity::Liveness;
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_proto::v1::{Batch, Edge, Identity, Ledger, Outcome, Records};
use prost::Message;
use prost::bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

const SECOND_US: u64 = 1_000_000;
const START_US: u64 = 1_700_000_000 * SECOND_US;
const PROXIES: u64 = 3;

/// Checks the lead of the engine's clock over the true time, in seconds, after steps of the
/// machine's clock: `+600` (a step), `10` (time that passes).
#[track_caller]
fn check(steps: &str, expected: &str) {
    let (mut engine_us, mut true_us, mut wall_us) = (START_US, START_US, START_US);
    let mut leads = Vec::new();
    for step in steps.split(' ') {
        if let Some(step_s) = step.strip_prefix(['+', '-']) {
            let by_us = step_s.parse::<u64>().unwrap() * SECOND_US;
            wall_us = if step.starts_with('+') { wall_us + by_us } else { wall_us - by_us };
            continue;
        }
        for _ in 0..step.parse::<u64>().unwrap() * 4 {
            let before_us = engine_us;
            true_us += SECOND_US / 4;
            wall_us += SECOND_US / 4;
            engine_us = advance(engine_us, SECOND_US / 4, wall_us);
            assert!(engine_us - before_us >= SECOND_US / 8 && engine_us - before_us <= SECOND_US / 2);
        }
        leads.push(((i128::from(engine_us) - i128::from(true_us)) / 1_000_000).to_string());
    }
    assert_eq!(leads.join(" "), expected);
}

#[test]
fn the_clock_of_the_engine_follows_a_step_without_a_step() {
    check("10", "0");
    check("+600 10 590 1000", "10 600 600");
    check("-600 10 1190 1000", "-5 -600 -600");
    check("+600 10 -600 20 10", "10 0 0");
    check("+93600 60 -93600 120", "60 0");
    check("-93600 60 +93600 30", "-30 0");
}

#[test]
fn the_time_continues_after_a_restart_and_does_not_stand_still() {
    let clock = |floor_us| {
        let passed = Arc::new(AtomicU64::new(0));
        let (wall, elapsed) = (passed.clone(), passed.clone());
        let clock = Clock::of(
            move || START_US + wall.load(Ordering::Relaxed),
            move || elapsed.load(Ordering::Relaxed),
            floor_us,
        );
        (clock, passed)
    };
    for floor_us in [0, START_US + 3_600 * SECOND_US, START_US + 100 * 365 * 86_400 * SECOND_US] {
        let (clock, passed) = clock(floor_us);
        let first_us = clock.now_us();
        assert_eq!(first_us, START_US.max(floor_us));
        passed.fetch_add(100 * SECOND_US, Ordering::Relaxed);
        let passed_us = clock.now_us() - first_us;
        assert!((50 * SECOND_US..=100 * SECOND_US).contains(&passed_us), "{passed_us}");
        // Requests of proxies whose clocks are right are accepted.
        let (now_us, limits) = clock.receipt(&Limits::default());
        let wall_us = clock.wall_us();
        assert!(
            now_us.saturating_sub(limits.age_us_max) <= wall_us && now_us + limits.ahead_us_max >= wall_us
        );
    }
}

/// A collector with steady traffic of three proxies that call each other, whose clocks may step.
struct Mesh {
    handle: EngineHandle,
    /// True time since the start.
    passed_us: Arc<AtomicU64>,
    /// Error of the clocks of the collector and of the proxies.
    collector_us: Arc<AtomicI64>,
    proxies_us: i64,
    sequence: u64,
}

impl Mesh {
    fn new() -> Self {
        let (passed_us, collector_us) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicI64::new(0)));
        let (passed, error) = (passed_us.clone(), collector_us.clone());
        let wall = move || {
            (START_US + passed.load(Ordering::Relaxed)).saturating_add_signed(error.load(Ordering::Relaxed))
        };
        let elapsed = passed_us.clone();
        let clock = Clock::of(wall, move || elapsed.load(Ordering::Relaxed), 0);
        let cell = EngineCell::new(Engine::new(Settings::default()));
        let handle = EngineHandle::new(cell, None, SelfMetrics::new(None), clock);
        Self { handle, passed_us, collector_us, proxies_us: 0, sequence: 0 }
    }

    /// Runs for so many seconds: each proxy reports once a second, and repeats its last batch.
    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            for _ in 0..4 {
                self.passed_us.fetch_add(SECOND_US / 4, Ordering::Relaxed);
                self.handle.tick(self.handle.now_us());
            }
            self.sequence += 1;
            for proxy in 0..PROXIES {
                for _ in 0..2 {
                    let message = Bytes::from(self.batch(proxy).encode_to_vec());
                    let (now_us, limits) = self.handle.receipt(&Limits::default());
                    let raw = RawBatch::read(&message, &limits, now_us).expect("no report is refused");
                    let ack = self.handle.submit(raw).expect("no report is refused");
                    assert!(matches!(ack, PendingAck::Answered(Answer::Accepted)), "{ack:?}");
                }
            }
        }
    }

    /// One request that a proxy received from the next one.
    fn batch(&self, proxy: u64) -> Batch {
        let now_us =
            (START_US + self.passed_us.load(Ordering::Relaxed)).saturating_add_signed(self.proxies_us);
        let caller = format!("10.0.0.{}", (proxy + 1) % PROXIES);
        Batch {
            schema_version: 1,
            proxy: format!("proxy-{proxy}"),
            epoch: 7,
            sequence: self.sequence,
            identity: (self.sequence == 1).then(|| Identity {
                workload: format!("workload-{proxy}"),
                addresses: vec![format!("10.0.0.{proxy}")],
                ..Identity::default()
            }),
            ledger: Some(Ledger {
                seen_total: self.sequence,
                sent_total: self.sequence,
                ..Ledger::default()
            }),
            base_time_unix_us: now_us,
            strings: vec![String::new(), caller],
            edges: vec![Edge { reporter: 2, peer_address: 1, ..Edge::default() }],
            outcomes: vec![Outcome { response_code: 200, protocol: 1, ..Outcome::default() }],
            records: Some(Records {
                edge: vec![0],
                outcome: vec![0],
                start_delta_us: vec![0],
                duration_us: vec![1_000],
                request_bytes: vec![0],
                response_bytes: vec![0],
                request_id_hash: vec![0],
                attempts: vec![1],
            }),
            ..Batch::default()
        }
    }

    /// Returns the requests in series and in the ledger, the number of edges, and the liveness of
    /// the proxies.
    fn state(&self) -> ([u64; 2], usize, usize) {
        let mut state = ([0, 0], 0, 0);
        let read = |engine: &Engine| {
            let series = engine.aggregate().iter(engine.edges());
            let counts = series.map(|(_, series)| series.stats.count()).sum();
            let delivered = engine.ledger().entries().values().map(|entry| entry.delivered).sum();
            let reporting =
                engine.address_book().count_by_liveness(Liveness::Reporting, self.handle.now_us());
            state = ([counts, delivered], engine.edges().len(), reporting);
        };
        futures(self.handle.read(read));
        state
    }
}

/// Runs a future that waits for nothing but its turn.
fn futures<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

#[test]
fn a_step_of_the_clock_loses_no_report_and_counts_none_twice() {
    const MINUTES: i64 = 60 * 1_000_000;
    for step_us in [10 * MINUTES, -10 * MINUTES, 26 * 60 * MINUTES, -26 * 60 * MINUTES] {
        for [collector, proxies] in [[1, 0], [0, 1], [1, 1]] {
            if collector == 0 && step_us != -10 * MINUTES {
                // The limits on times are those of the intake.
                continue;
            }
            let mut mesh = Mesh::new();
            mesh.run(60);
            mesh.collector_us.store(collector * step_us, Ordering::Relaxed);
            mesh.proxies_us = proxies * step_us;
            mesh.run(120);
            mesh.collector_us.store(0, Ordering::Relaxed);
            mesh.proxies_us = 0;
            mesh.run(120);
            let expected = ([300 * PROXIES; 2], 3, 3);
            assert_eq!(mesh.state(), expected, "{step_us} us, collector {collector}, proxies {proxies}");
        }
    }
}
