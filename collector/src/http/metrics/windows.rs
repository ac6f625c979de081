//! Families of the windows.
//!
//! In: the windows. Out: their families.

use super::super::prometheus::{Exposition, Kind};
use hopscope_core::recent::windows::{Refused, Windows};

/// What the room says of itself.
pub(super) fn metrics(text: &mut Exposition<'_>, windows: &Windows) {
    let (edges, instances, bytes) = windows.kept();
    let gauges = [
        ("hopscope_windows_edges", "Edges whose last minutes are kept.", edges),
        ("hopscope_windows_instances", "Addresses of called instances that are told apart there.", instances),
        ("hopscope_windows_bytes", "What both take, about.", bytes),
    ];
    for (name, help, value) in gauges {
        text.single(name, Kind::Gauge, help, value as u64);
    }
    let name = "hopscope_windows_rejected_requests_total";
    text.family(name, Kind::Counter, "Counted requests that are in no window, by reason.");
    for why in Refused::ALL {
        text.sample(name, &[("reason", why.label())], windows.refused(why));
    }
    text.single(
        "hopscope_windows_other_requests_total",
        Kind::Counter,
        "Requests whose called instance found no room of its own.",
        windows.others(),
    );
}
