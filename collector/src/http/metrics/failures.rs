//! Families of the last failures.
//!
//! In: the store. Out: its families.

use super::super::prometheus::{Exposition, Kind};
use hopscope_core::engine::PendingEdges;
use hopscope_core::recent::failures::{Evicted, Failures};

/// What the store counts of itself.
pub(super) fn metrics(text: &mut Exposition<'_>, failures: &Failures, waiting: &PendingEdges) {
    let counters = [
        ("hopscope_failures_total", "Failed requests and connections that came one by one.", failures.seen()),
        ("hopscope_failures_folded_total", "Those that came without detail.", failures.folded()),
    ];
    for (name, help, value) in counters {
        text.single(name, Kind::Counter, help, value);
    }
    const EVICTED: &str = "hopscope_failures_evicted_total";
    text.family(EVICTED, Kind::Counter, "Those that are kept no more, since there were newer ones.");
    for why in Evicted::ALL {
        text.sample(EVICTED, &[("reason", why.label())], failures.evicted(why));
    }
    let gauges = [
        ("hopscope_failures_records", "Those that are kept in full.", failures.len()),
        ("hopscope_failures_pending", "Those that wait for their peer's name.", waiting.failed_records()),
        ("hopscope_failures_edges", "Edges that have some.", failures.edges()),
        ("hopscope_failures_bytes", "What the kept ones take.", failures.bytes()),
    ];
    for (name, help, value) in gauges {
        text.single(name, Kind::Gauge, help, value);
    }
}
