//! Lines in Envoy's log.
//!
//! Invariant: one line per change of state, never one per request or failed attempt. One line per
//! proxy, not per VM: all VMs of a proxy (main thread, workers, and the one that validates a
//! configuration) have the same event, so that the first one stores a mark for the others.

use super::state::now_us;
use crate::report::Reply;
use crate::text::format::line;
use crate::text::hash::fnv1a;
use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;

/// The interval in which the VMs of a proxy log a line once.
const ONCE_US: u64 = 10_000_000;

pub(super) fn info(line: &str) {
    write(LogLevel::Info, line);
}

pub(super) fn warn(line: &str) {
    write(LogLevel::Warn, line);
}

/// Logs that reports began to fail, succeed again, or are refused.
pub(super) fn reply(status: u32, reply: Option<(Reply, bool)>) {
    match reply {
        Some((Reply::Failed, true)) => {
            warn(&line!(
                "the collector does not answer (gRPC status ",
                status,
                "); records are kept and sent later",
            ));
        }
        Some((Reply::Refused(reason), _)) => {
            let reason = reason.as_str_name();
            warn(&line!(
                "the collector refused a batch for good (gRPC status ",
                status,
                ", counted as ",
                reason,
                ")",
            ));
        }
        Some((Reply::Accepted { .. }, false)) => info("the collector answers again"),
        _ => {}
    }
}

fn write(level: LogLevel, line: &str) {
    if is_first(line) {
        // A line that Envoy rejects is not an error.
        let _ = hostcalls::log(level, &line!("hopscope: ", line));
    }
}

/// Stores a mark for this line; `false` when another VM has stored one recently. Two VMs may both
/// log a line at one instant, which is harmless.
fn is_first(line: &str) -> bool {
    let key = line!("hopscope.line.", fnv1a(line.bytes()));
    let now_us = now_us();
    let mark = hostcalls::get_shared_data(&key).ok().and_then(|(mark, _)| mark);
    let logged_us = mark.and_then(|mark| mark.try_into().ok()).map(u64::from_le_bytes);
    if logged_us.is_some_and(|logged_us| now_us.abs_diff(logged_us) < ONCE_US) {
        return false;
    }
    let _ = hostcalls::set_shared_data(&key, Some(&now_us.to_le_bytes()), None);
    true
}
