//! The filter's own metrics in Envoy.
//!
//! Invariant: host calls happen on ticks only, and none for an unchanged metric. A metric that
//! Envoy does not define costs nothing more.

use super::abi;
use super::state::with_vm;
use crate::self_metrics::{METRICS, SelfMetrics};
use std::cell::RefCell;

/// The reported values, and Envoy's ids of the metrics: equal in all plugins of a VM.
struct Metrics {
    self_metrics: SelfMetrics,
    ids: [Option<u32>; METRICS.len()],
}

thread_local! {
    static METRIC_STATE: RefCell<Option<Metrics>> = const { RefCell::new(None) };
}

/// Increments the metrics that have changed. The first call defines all metrics, so that each is
/// visible from then on.
pub(super) fn update() {
    let _ = METRIC_STATE.with(|state| {
        let mut state = state.try_borrow_mut().ok()?;
        let Metrics { self_metrics, ids } = state.get_or_insert_with(|| Metrics {
            self_metrics: SelfMetrics::default(),
            ids: METRICS.map(|metric| abi::metric(metric.kind, metric.name)),
        });
        let increments = with_vm(|vm| self_metrics.increments(vm))?;
        for (id, by) in ids.iter().zip(increments) {
            if let (Some(id), true) = (id, by != 0) {
                abi::increment_metric(*id, by);
            }
        }
        Some(())
    });
}
