//! The filter's own metrics, kept by Envoy.
//!
//! In: how far each has moved. Out: host calls, on ticks only, and none for a metric that stands still. Always holds: a
//! metric that Envoy does not keep costs nothing more.

use super::{abi, with_vm};
use crate::self_metrics::{METRICS, SelfMetrics};
use std::cell::RefCell;

/// What Envoy was told, and its numbers of the metrics: the same in all plugins of a VM.
struct Reported {
    self_metrics: SelfMetrics,
    numbers: [Option<u32>; METRICS.len()],
}

thread_local! {
    static TOLD: RefCell<Option<Reported>> = const { RefCell::new(None) };
}

/// Tells what has moved. The first time every metric is defined, so that each shows from then on.
pub(super) fn tell() {
    let _ = TOLD.with(|told| {
        let mut told = told.try_borrow_mut().ok()?;
        let Reported { self_metrics, numbers } = told.get_or_insert_with(|| Reported {
            self_metrics: SelfMetrics::default(),
            numbers: METRICS.map(|metric| abi::metric(metric.kind, metric.name)),
        });
        let increments = with_vm(|vm| self_metrics.increments(vm))?;
        for (number, by) in numbers.iter().zip(increments) {
            if let (Some(number), true) = (number, by != 0) {
                abi::increment_metric(*number, by);
            }
        }
        Some(())
    });
}
