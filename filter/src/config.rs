//! The plugin configuration.
//!
//! In: the bytes that Envoy passes to `on_configure` (`pluginConfig` of an Istio `WasmPlugin`, as
//! JSON).
//! Out: a [`Config`], or a one-line error with the position of the mistake.
//! Invariant: an unknown key is an error, and every value is validated against its range.

mod collector;
mod json;
mod limits;
mod overridable;
mod overrides;
mod reader;
mod unknown_key;

use crate::text::hash::fnv1a;
use overridable::Overridable;
use reader::SettingsReader;

pub use collector::Collector;
pub use limits::Limits;
pub use overridable::Detail;
pub use overrides::ProxyLocation;
pub use reader::ADDRESS_PART_BYTES_MAX;

/// The longest tick period, milliseconds.
pub const TICK_MS_MAX: u64 = 1_000;

/// All settings of the filter. Every key but `collector.cluster` has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The address of the collector.
    pub collector: Collector,
    /// The longest time that a record is buffered before it is sent, milliseconds; 50 to 60,000,
    /// default 5,000. A failure is sent after at most [`TICK_MS_MAX`], as is every record in the
    /// first seconds after a failure. Envoy cannot flush at exit, so this is also the most data
    /// that an exit loses.
    pub report_interval_ms: u64,
    /// Requests that are reported one by one; all others are folded. Default all.
    pub detail: Detail,
    /// The duration from which on a request counts as slow, milliseconds; 1 to 3,600,000, default
    /// 1,000. Used with [`Detail::Failures`] only.
    pub slow_ms: u64,
    /// The age from which on an in-flight request is reported with its destination, milliseconds;
    /// 100 to 3,600,000, default 5,000.
    pub open_age_ms: u64,
    /// The timeout of a report, milliseconds; 100 to 60,000, default 5,000.
    pub timeout_ms: u64,
    /// The longest backoff after failed reports, milliseconds; 1,000 to 300,000, default 10,000.
    pub backoff_ms_max: u64,
    /// The request header with an id of its own for each hop, in lower case; empty (the default)
    /// for none. Both sides of a hop are joined by this header where a request has it, instead of
    /// by `x-request-id`, which is equal on every hop of a request.
    pub hop_header: String,
    /// Bounds of buffered data.
    pub limits: Limits,
}

/// All keys.
const KEYS: [&str; 13] = [
    "collector.cluster",
    "collector.authority",
    "report_interval_ms",
    "detail",
    "slow_ms",
    "open_age_ms",
    "timeout_ms",
    "backoff_ms_max",
    "hop_header",
    "limits.batch_records_max",
    "limits.buffer_bytes_max",
    "limits.batches_in_flight_max",
    "limits.fold_rows_max",
];

impl Config {
    /// Reads and validates a configuration, with the overrides for a proxy at this location.
    ///
    /// # Errors
    /// One line for the operator: the mistake, its position, and the valid values.
    pub fn parse(bytes: &[u8], location: &ProxyLocation) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("it is empty; set `collector.cluster`".to_owned());
        }
        let values = json::read(bytes).map_err(|error| error.line())?;
        let mut settings = SettingsReader::new(values, overrides::prefixes(location));
        overrides::check_keys(&mut settings, &KEYS);
        overrides::check_overrides(&mut settings);
        let Overridable { report_interval_ms, detail, slow_ms, open_age_ms } =
            Overridable::read(&mut settings);
        let config = Self {
            collector: Collector::read(&mut settings),
            report_interval_ms,
            detail,
            slow_ms,
            open_age_ms,
            timeout_ms: settings.number("timeout_ms", (100, 60_000), 5_000),
            backoff_ms_max: settings.number("backoff_ms_max", (1_000, 300_000), 10_000),
            hop_header: settings.text("hop_header", is_header_byte),
            limits: Limits::read(&mut settings),
        };
        settings.finish().map(|()| config)
    }

    /// Returns the tick period, milliseconds.
    #[must_use]
    pub fn tick_ms(&self) -> u64 {
        self.report_interval_ms.min(TICK_MS_MAX)
    }
}

/// Envoy converts header names to lower case.
fn is_header_byte(byte: &u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(byte)
}

/// Returns the hash of a configuration, reported as `Identity.config_hash` to show drift between
/// proxies.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    fnv1a(bytes.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::{Config, ProxyLocation};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let text = match Config::parse(json.as_bytes(), &ProxyLocation::default()) {
            Ok(Config { collector, report_interval_ms, .. }) => {
                format!("{} as {} each {report_interval_ms}", collector.cluster, collector.authority)
            }
            Err(line) => line,
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn the_cluster_is_the_only_required_setting() {
        check(
            r#"{"collector": {"cluster": "outbound|50051||hopscope.obs.svc.cluster.local"}}"#,
            "outbound|50051||hopscope.obs.svc.cluster.local as hopscope.obs.svc.cluster.local each 5000",
        );
        check(
            r#"{"collector": {"cluster": "c", "authority": "hopscope:50051"}, "report_interval_ms": 250}"#,
            "c as hopscope:50051 each 250",
        );
    }

    #[test]
    fn each_error_is_one_line() {
        check("", "it is empty; set `collector.cluster`");
        check("{\"collector\": ", "it is not the JSON that is expected at line 1 column 15");
        check("{}", "`collector.cluster` is missing");
        check(
            r#"{"speed": 5}"#,
            "`speed` is not known; valid keys are `collector.cluster`, `collector.authority`, `report_interval_ms`, \
             `detail`, `slow_ms`, `open_age_ms`, `timeout_ms`, `backoff_ms_max`, `hop_header`, `limits.batch_records_max`, \
             `limits.buffer_bytes_max`, `limits.batches_in_flight_max`, `limits.fold_rows_max`",
        );
        check(r#"{"colector": 5}"#, "`colector` is not known; did you mean `collector`?");
        check(r#"{"collector": 5}"#, "`collector` is not an object");
        check(
            r#"{"colector": {"cluster": "c"}}"#,
            "`colector.cluster` is not known; did you mean `collector.cluster`?",
        );
        check(
            r#"{"collector": {"cluster": "c"}, "report_interval_ms": 5}"#,
            "`report_interval_ms` is not a whole number from 50 to 60000",
        );
        check(
            r#"{"collector": {"cluster": "c"}, "detail": "some"}"#,
            "`detail` is not one of `all`, `failures`, `none`",
        );
        check(
            r#"{"collector": {"cluster": "c"}, "timeout_ms": "1s"}"#,
            "`timeout_ms` is not a whole number from 100 to 60000",
        );
        check(r#"{"collector": {"cluster": ""}}"#, "`collector.cluster` has 0 bytes; 1 to 125 are allowed");
        check(
            r#"{"collector": {"cluster": "c", "authority": "a|b"}}"#,
            "`collector.authority` contains '|', which is not allowed there",
        );
        check(
            r#"{"collector": {"cluster": "c"}, "hop_header": "X-Hop"}"#,
            "`hop_header` contains 'X', which is not allowed there",
        );
        check(
            r#"{"collector": {"cluster": "ü"}}"#,
            "`collector.cluster` contains 'ü', which is not allowed there",
        );
    }
}
