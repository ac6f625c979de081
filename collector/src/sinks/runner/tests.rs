use super::Runner;
use crate::runtime::engine_cell::EngineCell;
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::self_metrics::SelfMetrics;
use crate::sinks::{Sent, Sink};
use hopscope_core::engine::{Engine, Settings};
use hopscope_core::metrics::{Buckets, Extra, Family, Labels, Number, Visitor};
use hopscope_core::section;
use std::sync::Arc;
use std::time::Duration;

section! {
    /// A sink of this test.
    "sink_test": TestSettings {
        /// Whether the sink runs.
        enabled: bool = true;
    }
}

/// Refuses one item of each cut, and delivers the rest.
struct TestSink;

/// Counts samples.
struct Count(u64);

impl Visitor for Count {
    fn family(&mut self, family: &'static Family) {
        panic!("{} in a traversal by series", family.name);
    }

    fn series(&mut self, _: Labels<'_>) {}

    fn number(&mut self, _: &'static Family, _: Extra, _: Number, _: Option<u64>) {
        self.0 += 1;
    }

    fn histogram(&mut self, _: &'static Family, _: &Buckets, _: Option<u64>) {
        self.0 += 1;
    }
}

impl Sink for TestSink {
    const NAME: &'static str = "test";
    type Settings = TestSettings;
    type Encoder = Count;

    fn interval(settings: &TestSettings) -> Option<Duration> {
        settings.enabled.then_some(Duration::from_millis(1))
    }

    fn new(_: &TestSettings) -> Self {
        Self
    }

    fn encode(&self, _: u64) -> Count {
        Count(0)
    }

    async fn send(&mut self, Count(items): Count) -> Sent {
        Sent { delivered: items - 1, rejected: 1, dropped: 0 }
    }
}

fn handle() -> Arc<EngineHandle> {
    let cell = EngineCell::new(Engine::new(Settings::default()));
    Arc::new(EngineHandle::new(cell, None, SelfMetrics::new(None), || 7_000_000))
}

#[tokio::test]
async fn an_enabled_sink_receives_one_cut_after_another() {
    let handle = handle();
    let runner = Runner::new(handle.clone()).with::<TestSink>(&TestSettings::default());
    let deadline = Duration::from_secs(30);
    let three_cuts = async {
        while handle.stats().sinks().seen()["test"].items[1] < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(deadline, three_cuts).await.unwrap();
    let seen = handle.stats().sinks().seen()["test"];
    assert!(seen.items[0] > 300, "{seen:?}");
    assert_eq!((seen.items[2], seen.last_success_us), (0, 0), "each cut has a rejected item");
    drop(runner);
}

#[tokio::test]
async fn a_disabled_sink_has_neither_task_nor_metrics() {
    let handle = handle();
    let runner = Runner::new(handle.clone()).with::<TestSink>(&TestSettings { enabled: false });
    assert!(runner.tasks.is_empty() && handle.stats().sinks().seen().is_empty());
}
