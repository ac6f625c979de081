//! The filter's own metrics, which Envoy stores.
//!
//! In: the state of a VM. Out: the increment of each metric.
//! Invariant: a VM adds its own changes to a metric and never sets it, so that Envoy's value is the
//! sum over all VMs, for gauges too. Over all VMs, `seen = acknowledged + dropped + buffered +
//! unacknowledged`.
//!
//! Source: Envoy stores one value per name for all VMs of a proxy; a value that is set is that of
//! the last writer.

use crate::vm::Vm;
use hopscope_proto::v1::DropReason;

/// The type of a metric in Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only increases.
    Counter,
    /// Increases and decreases.
    Gauge,
}

/// One metric; Envoy shows it as `wasmcustom.<name>`.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    read: fn(&Vm) -> u64,
}

const fn counter(name: &'static str, read: fn(&Vm) -> u64) -> Metric {
    Metric { name, kind: Kind::Counter, read }
}

const fn gauge(name: &'static str, read: fn(&Vm) -> u64) -> Metric {
    Metric { name, kind: Kind::Gauge, read }
}

/// All metrics; `docs/filter.md` documents each.
pub const METRICS: [Metric; 13] = [
    counter("hopscope_seen", |vm| vm.buffer().ledger.seen()),
    counter("hopscope_acknowledged", |vm| vm.sender().acknowledged()),
    counter("hopscope_folded", |vm| vm.buffer().folded()),
    counter("hopscope_dropped_fold_table_full", |vm| dropped(vm, DropReason::FoldTableFull)),
    counter("hopscope_dropped_rejected", |vm| dropped(vm, DropReason::Rejected)),
    counter("hopscope_dropped_too_large", |vm| dropped(vm, DropReason::TooLarge)),
    counter("hopscope_bytes_sent", |vm| vm.sender().bytes_sent()),
    counter("hopscope_reports_failed", |vm| vm.sender().reports_failed()),
    counter("hopscope_evaluation_fallbacks", |vm| vm.builder().fallbacks()),
    gauge("hopscope_open", |vm| vm.in_flight().requests.count()),
    gauge("hopscope_connections", |vm| vm.in_flight().connections.count()),
    gauge("hopscope_buffered", |vm| vm.buffer().ledger.buffered()),
    gauge("hopscope_unacknowledged", |vm| vm.sender().unacknowledged()),
];

fn dropped(vm: &Vm, reason: DropReason) -> u64 {
    vm.buffer().ledger.dropped(reason)
}

/// The values of one VM that were added to Envoy's metrics.
#[derive(Debug, Default)]
pub struct SelfMetrics {
    reported: [u64; METRICS.len()],
}

impl SelfMetrics {
    /// Returns the change of each metric since the last call, in the order of [`METRICS`]; 0 for
    /// most.
    pub fn increments(&mut self, vm: &Vm) -> [i64; METRICS.len()] {
        let mut increments = [0; METRICS.len()];
        for ((reported, metric), by) in self.reported.iter_mut().zip(METRICS).zip(&mut increments) {
            let now = (metric.read)(vm);
            *by = now.wrapping_sub(*reported).cast_signed();
            *reported = now;
        }
        increments
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, METRICS, SelfMetrics};
    use crate::attributes::fake::FakeAttributes;
    use crate::config::ProxyLocation;
    use crate::vm::Vm;
    use hopscope_proto::v1::Ack;
    use prost::Message;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Checks the increments that are not 0, except `hopscope_bytes_sent`.
    #[track_caller]
    fn check(self_metrics: &mut SelfMetrics, vm: &Vm, expected: &str) {
        let increments = METRICS.into_iter().zip(self_metrics.increments(vm));
        let increments = increments.filter(|(metric, by)| *by != 0 && metric.name != "hopscope_bytes_sent");
        let increments: Vec<String> = increments
            .inspect(|(metric, by)| assert!(metric.kind == Kind::Gauge || *by > 0, "{} {by}", metric.name))
            .map(|(metric, by)| format!("{}{by:+}", metric.name.trim_start_matches("hopscope_")))
            .collect();
        assert_eq!(increments.join(" "), expected);
    }

    fn vm(more: &str) -> Vm {
        let mut vm = Vm::new(7);
        vm.configure(
            format!(r#"{{"collector": {{"cluster": "c"}}{more}}}"#).as_bytes(),
            &ProxyLocation::default(),
        )
        .unwrap();
        vm
    }

    fn requests(vm: &mut Vm, count: u32) {
        let table = FakeAttributes::parse("response.code = 200").without_expressions();
        for context in 1..=count {
            vm.begin(context, 99);
            vm.observe(context, &table, u64::from(context));
        }
    }

    #[test]
    fn metrics_follow_the_requests() {
        let (mut vm, mut self_metrics) = (vm(""), SelfMetrics::default());
        check(&mut self_metrics, &vm, "");
        vm.begin(50, 99);
        requests(&mut vm, 2);
        check(&mut self_metrics, &vm, "seen+2 evaluation_fallbacks+2 open+1 buffered+2");
        let report = vm.poll(&FakeAttributes::parse(""), 1_000_000).unwrap();
        vm.dispatched(1, 1, report.sequence);
        check(&mut self_metrics, &vm, "buffered-2 unacknowledged+2");
        let ack = Ack { accepted_sequence: 1, ..Ack::default() }.encode_to_vec();
        vm.answered(1, 0, &ack, 1_000_000);
        check(&mut self_metrics, &vm, "acknowledged+2 unacknowledged-2");
        check(&mut self_metrics, &vm, "");
    }

    #[test]
    fn failed_and_refused_reports_are_counted() {
        let (mut vm, mut self_metrics) = (vm(r#", "detail": "none""#), SelfMetrics::default());
        requests(&mut vm, 3);
        check(&mut self_metrics, &vm, "seen+3 folded+3 evaluation_fallbacks+3 buffered+3");
        let report = vm.poll(&FakeAttributes::parse(""), 1_000_000).unwrap();
        vm.not_dispatched(report.sequence, 1_000_000);
        check(&mut self_metrics, &vm, "reports_failed+1 buffered-3 unacknowledged+3");
        let again = vm.poll(&FakeAttributes::parse(""), 1_010_000).unwrap();
        vm.dispatched(1, 1, again.sequence);
        vm.answered(1, 3, &[], 1_010_000);
        check(&mut self_metrics, &vm, "dropped_rejected+3 unacknowledged-3");
    }

    #[test]
    fn requests_without_a_fold_row_are_dropped() {
        let full = r#", "detail": "none", "limits": {"fold_rows_max": 0}"#;
        let (mut vm, mut self_metrics) = (vm(full), SelfMetrics::default());
        requests(&mut vm, 1);
        check(&mut self_metrics, &vm, "seen+1 dropped_fold_table_full+1 evaluation_fallbacks+1");
    }
}
