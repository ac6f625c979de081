//! What operators read in Envoy's log.
//!
//! In: events. Out: at most one line per change of state, never one per request or per failed try.

use crate::reply::Reply;
use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;

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
            warn(&format!(
                "the collector does not answer (gRPC status {status}); records are kept and sent later"
            ));
        }
        Some((Reply::Refused(reason), _)) => {
            let reason = reason.as_str_name();
            warn(&format!(
                "the collector refused a batch for good (gRPC status {status}, counted as {reason})"
            ));
        }
        Some((Reply::Taken { .. }, false)) => info("the collector answers again"),
        _ => {}
    }
}

fn write(level: LogLevel, line: &str) {
    // A line that Envoy does not take is no reason to stop.
    let _ = hostcalls::log(level, &format!("hopscope: {line}"));
}
