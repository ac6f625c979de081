//! A replay is a second run of the same changes, and a change that is not on disk is not applied.

mod traffic;

use super::{Settings as JournalSettings, open};
use crate::runtime::engine_cell::EngineCell;
use crate::runtime::engine_handle::{EngineHandle, PendingAck};
use crate::runtime::self_metrics::SelfMetrics;
use hopscope_core::engine::{Engine, Settings, snapshot};
use hopscope_core::intake::reject::Rejection;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;
use traffic::{Step, Traffic, steps};

fn settings(data_dir: &Path, bytes_max: u64) -> JournalSettings {
    JournalSettings {
        data_dir: Some(data_dir.to_owned()),
        bytes_max,
        commit_interval_ms: 0,
        snapshot_interval_ms: 3_600_000,
        ..JournalSettings::default()
    }
}

/// A running journal with its engine.
struct Live {
    runtime: Runtime,
    cell: EngineCell,
    handle: EngineHandle,
    running: super::Running,
}

impl Live {
    fn start(engine: Engine, settings: JournalSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut engine = engine;
        let journal = open(&settings.data_dir.clone().unwrap(), settings, &mut engine).unwrap();
        let cell = EngineCell::new(engine);
        let stats = SelfMetrics::new(Some(journal.stats()));
        let handle =
            EngineHandle::new(cell.clone(), Some(Box::new(journal.log())), stats, || traffic::START_US);
        let running = runtime.block_on(async { journal.run(cell.clone()) }).unwrap();
        Self { runtime, cell, handle, running }
    }

    fn wait(&self, pending: PendingAck) -> Result<(), Rejection> {
        self.runtime.block_on(pending.answer()).map(|_| ())
    }

    /// State of the engine in canonical order.
    fn state(&self) -> Vec<u8> {
        self.cell.read(|engine| snapshot::encode(engine, 0))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.running.queue.close();
    }
}

/// Runs the steps on a journal, and returns the state of the engine and the number of rejections.
fn run(data_dir: &Path, steps: &[Step]) -> Vec<u8> {
    let live = Live::start(Engine::new(Settings::default()), settings(data_dir, 1 << 30));
    let mut traffic = Traffic::default();
    live.handle.set_limits(&Settings::default());
    let mut acks = Vec::new();
    for step in steps {
        acks.extend(traffic.apply(step, &live.handle));
    }
    // The answer to this batch follows all changes before it.
    acks.push(live.handle.submit(traffic.batch(0, true, 1)).unwrap());
    for ack in acks {
        live.wait(ack).unwrap();
    }
    live.state()
}

/// Copies the journal, as a kill would leave it, and replays the copy into a new engine.
fn replayed(data_dir: &Path) -> Vec<u8> {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("journal")).unwrap();
    for file in fs::read_dir(data_dir.join("journal")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join("journal").join(file.file_name())).unwrap();
    }
    let mut engine = Engine::new(Settings::default());
    let journal = open(copy.path(), settings(copy.path(), 1 << 30), &mut engine).unwrap();
    assert_eq!(journal.stats().replay_rejected.get(), 0);
    assert_eq!(journal.stats().corrupt_records.get(), 0);
    snapshot::encode(&engine, 0)
}

#[track_caller]
fn check(steps: &[Step]) {
    let data_dir = tempfile::tempdir().unwrap();
    let live = run(data_dir.path(), steps);
    assert!(live == replayed(data_dir.path()), "the replay differs after {steps:?}");
}

#[test]
fn a_replay_repeats_batches_ticks_limits_and_ends_of_epochs() {
    let batch = |proxy, seed| Step::Batch { proxy, identity: true, seed };
    check(&[batch(0, 3), Step::Tick(250), batch(1, 4), batch(0, 5), Step::Tick(3_000)]);
    check(&[batch(0, 3), Step::Limits { series_max: 2, edges_max: 1 }, batch(0, 4), Step::Tick(5_000)]);
    check(&[batch(0, 3), Step::EndEpoch(0), batch(1, 4), Step::EndEpoch(0), batch(0, 5)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_replay_repeats_any_sequence(steps in steps()) {
        check(&steps);
    }
}

/// Replays the same journal twice with limits that every segment repeats.
#[test]
fn each_segment_begins_with_the_limits() {
    let data_dir = tempfile::tempdir().unwrap();
    let live = Live::start(Engine::new(Settings::default()), settings(data_dir.path(), 1 << 30));
    let mut limits = Settings::default();
    limits.aggregate.series_max = 3;
    live.handle.set_limits(&limits);
    let mut traffic = Traffic::default();
    for seed in 0..3 {
        live.wait(live.handle.submit(traffic.batch(0, true, seed)).unwrap()).unwrap();
        live.running.queue.push_roll();
    }
    // The snapshot of the roll covers the segments before it.
    let state = live.runtime.block_on(async {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let stats = live.handle.stats().journal().unwrap();
            if stats.snapshots.get() == 3 {
                return live.state();
            }
        }
    });
    live.wait(live.handle.submit(traffic.batch(0, false, 9)).unwrap()).unwrap();
    let state_after = live.state();
    assert!(state != state_after);
    let segments: Vec<_> = fs::read_dir(data_dir.path().join("journal")).unwrap().collect();
    assert_eq!(segments.len(), 1);
    let bytes = fs::read(segments[0].as_ref().unwrap().path()).unwrap();
    assert!(bytes.windows(limits.encode().len()).any(|window| window == limits.encode()));
}

/// A tick resolves a pending edge, unless the tick is not on disk.
#[test]
fn a_tick_that_is_not_on_disk_is_not_applied() {
    for (bytes_max, is_applied) in [(20, false), (1 << 20, true)] {
        let mut engine = Engine::new(Settings::default());
        let mut traffic = Traffic::default();
        let mut raw = traffic.batch(0, true, 1);
        engine.accept(&mut raw, &mut Vec::new()).unwrap();
        assert!(engine.pending().requests() > 0);
        let data_dir = tempfile::tempdir().unwrap();
        let live = Live::start(engine, settings(data_dir.path(), bytes_max));
        let before = live.state();
        live.handle.tick(traffic::START_US + 60_000_000);
        let ack = live.handle.submit(traffic.batch(1, true, 2)).unwrap();
        assert_eq!(live.wait(ack).is_ok(), is_applied);
        let pending = live.cell.read(|engine| engine.pending().requests());
        assert_eq!(live.state() == before, !is_applied, "{pending} pending");
    }
}

/// Settings that could not be written are written with the next group.
#[test]
fn limits_survive_a_failed_commit() {
    let data_dir = tempfile::tempdir().unwrap();
    let live = Live::start(Engine::new(Settings::default()), settings(data_dir.path(), 2_000));
    let mut limits = Settings::default();
    limits.aggregate.series_max = 0;
    live.handle.set_limits(&limits);
    let mut traffic = Traffic::default();
    let large = (0..40).map(|seed| live.handle.submit(traffic.batch(0, true, seed)).unwrap());
    let rejected = large.collect::<Vec<_>>().into_iter().filter_map(|ack| live.wait(ack).err()).count();
    assert!(rejected > 0, "a group exceeded the journal");
    let series = live.cell.read(|engine| engine.aggregate().edges());
    assert_eq!(series, 0);
}
