//! Run of one attack.

use crate::attack::Attack;
use crate::batches::batch;
use crate::collector::{Collector, Target};
use crate::good_client::GoodClient;
use crate::row::Row;
use std::time::{Duration, Instant};

/// Limits on the cost of an attack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Time of the attack.
    pub(crate) duration: Duration,
    /// Time of the good client alone, before and after.
    pub(crate) alone: Duration,
    /// 99th percentile of the latency of the good client.
    pub(crate) p99: Duration,
    /// Slowest answer of `/healthz`.
    pub(crate) health: Duration,
    /// Most resident memory, MiB.
    pub(crate) memory_mib: u64,
    /// Time for the memory to return.
    pub(crate) memory_timeout: Duration,
}

impl Limits {
    /// Limits of a release build.
    pub(crate) const OPTIMISED: Self = Self {
        duration: Duration::from_secs(6),
        alone: Duration::from_secs(1),
        p99: Duration::from_millis(200),
        health: Duration::from_millis(100),
        memory_mib: 512,
        memory_timeout: Duration::from_secs(20),
    };
    /// Limits of an unoptimised build on a machine that runs other tests.
    pub(crate) const UNOPTIMISED: Self = Self {
        duration: Duration::from_secs(2),
        alone: Duration::from_millis(300),
        p99: Duration::from_secs(1),
        health: Duration::from_secs(1),
        memory_mib: 512,
        memory_timeout: Duration::ZERO,
    };
}

/// Interval of the samples of `/healthz`.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// Memory above that of before that counts as returned, MiB.
const RETURNED_MIB: u64 = 64;
/// Edges in one batch of the load.
const LOAD_EDGES: u32 = 500;

/// Runs one attack beside a good client.
pub(crate) fn run(attack: &Attack, limits: &Limits) -> Row {
    let collector = Collector::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(load(collector.target, attack.edges));
    let (memory_before_mib, _) = collector.memory_mib();
    let good = GoodClient::start(collector.target);
    std::thread::sleep(limits.alone);
    let attacking = runtime.spawn((attack.run)(collector.target, limits.duration));
    let (began, mut health_slowest) = (Instant::now(), Duration::ZERO);
    while began.elapsed() < limits.duration || !attacking.is_finished() {
        health_slowest = health_slowest.max(collector.health_time());
        std::thread::sleep(SAMPLE_INTERVAL);
        assert!(began.elapsed() < limits.duration * 10, "{} does not end", attack.name);
    }
    runtime.block_on(attacking).unwrap();
    runtime.shutdown_background();
    std::thread::sleep(limits.alone);
    let service = good.stop();
    let (_, memory_peak_mib) = collector.memory_mib();
    let ended = Instant::now();
    while collector.memory_mib().0 > memory_before_mib + RETURNED_MIB
        && ended.elapsed() < limits.memory_timeout
    {
        std::thread::sleep(SAMPLE_INTERVAL);
    }
    let at = |percent: usize| {
        let latencies = &service.latencies;
        let index = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies.get(index).copied().unwrap_or_default()
    };
    Row {
        attack: attack.name,
        batches: service.latencies.len(),
        p50: at(50),
        p99: at(99),
        slowest: at(100),
        refused: service.refused,
        memory_before_mib,
        memory_peak_mib,
        memory_after_mib: collector.memory_mib().0,
        health_slowest,
    }
}

/// Fills the collector with edges.
async fn load(target: Target, edges: u32) {
    let mut client = target.client().await.unwrap();
    for (sequence, first) in (1..).zip((0..edges).step_by(LOAD_EDGES as usize)) {
        client.report(batch("load", sequence, LOAD_EDGES, first, LOAD_EDGES)).await.unwrap();
    }
}
