//! What operators read in Envoy's log.
//!
//! In: events. Out: lines. Always holds: a line per change of state, never one per request or per failed try; and one
//! per proxy, not per VM: all VMs of a proxy (main thread, workers, and the one that tries a configuration out) meet
//! the same event, so the first to tell it leaves a mark for the others.

use super::now_us;
use crate::report::reply::Reply;
use crate::text::format::line;
use crate::text::hash::fnv1a;
use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;

/// For how long the VMs of a proxy keep a line to one of them.
const ONCE_US: u64 = 10_000_000;

pub(super) fn info(line: &str) {
    write(LogLevel::Info, line);
}

pub(super) fn warn(line: &str) {
    write(LogLevel::Warn, line);
}

/// Tells that reports began to fail, work again, or are refused.
pub(super) fn answer(status: u32, answer: Option<(Reply, bool)>) {
    match answer {
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
        // A line that Envoy does not take is no reason to stop.
        let _ = hostcalls::log(level, &line!("hopscope: ", line));
    }
}

/// Leaves a mark for this line; `false` when another VM has left one just now. Two VMs in the same instant may both
/// tell, which harms nobody.
fn is_first(line: &str) -> bool {
    let key = line!("hopscope.line.", fnv1a(line.bytes()));
    let now_us = now_us();
    let mark = hostcalls::get_shared_data(&key).ok().and_then(|(mark, _)| mark);
    let reported_us = mark.and_then(|mark| mark.try_into().ok()).map(u64::from_le_bytes);
    if reported_us.is_some_and(|reported_us| now_us.saturating_sub(reported_us) < ONCE_US) {
        return false;
    }
    let _ = hostcalls::set_shared_data(&key, Some(&now_us.to_le_bytes()), None);
    true
}
