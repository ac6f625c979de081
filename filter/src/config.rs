//! The plugin configuration.
//!
//! In: the bytes that Envoy hands to `on_configure` (`pluginConfig` of an Istio `WasmPlugin`, as JSON). Out: a [`Config`], or one
//! line that says what is wrong and where. Always holds: an unknown key is refused, never ignored, and every value has
//! been held against its range.

mod json;
mod reader;
mod overrides;

use crate::text::hash::fnv1a;
pub use overrides::ProxyLocation;
use reader::SettingsReader;

/// The longest cluster name and authority that a report can be addressed with; see [`crate::report::collector_target`].
pub const ADDRESS_PART_BYTES_MAX: usize = 125;

/// What an operator can set. Every key but `collector.cluster` has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to report.
    pub collector: Collector,
    /// The longest that a record waits for its report, milliseconds; 50 to 60,000, default 5,000. A failure waits at most
    /// [`TICK_MS_MAX`], and so does everything until all has gone well for a while. What was not reported when a proxy
    /// ends is lost, since nothing can be flushed at exit; so this is also the most that an end can cost.
    pub report_interval_ms: u64,
    /// Which requests are reported one by one; the others are folded. Default all.
    pub detail: Detail,
    /// From this duration on a request counts as slow, milliseconds; 1 to 3,600,000, default 1,000. It matters only with
    /// [`Detail::Failures`].
    pub slow_ms: u64,
    /// From this age on a request that has not ended is told with its destination, milliseconds; 100 to 3,600,000,
    /// default 5,000.
    pub open_age_ms: u64,
    /// How long a report may take before it counts as failed, milliseconds; 100 to 60,000, default 5,000.
    pub timeout_ms: u64,
    /// The longest pause between two tries to reach the collector, milliseconds; 1,000 to 300,000, default 10,000.
    pub backoff_ms_max: u64,
    /// The request header with an id of its own for each hop, in lower case; empty (the default) where there is none. Where a
    /// request has it, both sides are joined by it in place of `x-request-id`, which stands on every hop of a request.
    pub hop_header: String,
    /// Bounds of what waits in the proxy.
    pub limits: Limits,
}

/// Which requests leave the proxy as single records. Counts are exact in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Every one.
    All,
    /// Those that failed or were slow.
    Failures,
    /// None.
    None,
}

/// The longest time between two looks at what is due, milliseconds.
pub const TICK_MS_MAX: u64 = 1_000;

/// The cluster that leads to the collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Envoy's name of it: `outbound|50051||hopscope-collector.observability.svc.cluster.local`. At most
    /// [`ADDRESS_PART_BYTES_MAX`] bytes.
    pub cluster: String,
    /// The `:authority` of reports. Default: the host in the cluster's name. Letters, digits, `.`, `-`, `_` and `:`,
    /// since Rust's servers refuse a `|`.
    pub authority: String,
}

/// What may wait in one VM while the collector is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Records in one batch; 1 to 4,096, default 1,024.
    pub batch_records_max: usize,
    /// Memory for records that wait for their turn; when it is full, the oldest batch is folded. 4,096 to 67,108,864 bytes,
    /// default 1 MiB.
    pub buffer_bytes_max: usize,
    /// Batches that were sent and not yet acknowledged; 1 to 16, default 4.
    pub batches_in_flight_max: usize,
    /// Rows of the fold table; a request that finds no room there is dropped and counted. 0 to 65,536, default 2,048.
    pub fold_rows_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_records_max: 1_024,
            buffer_bytes_max: 1 << 20,
            batches_in_flight_max: 4,
            fold_rows_max: 2_048,
        }
    }
}

/// Every key that there is.
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
    /// Reads and checks a configuration, and takes from it what is meant for a proxy at this place.
    ///
    /// # Errors
    /// One line for the operator: what is wrong, where, and what would be right.
    pub fn parse(bytes: &[u8], place: &ProxyLocation) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("there is none; set `collector.cluster`".to_owned());
        }
        let values = json::read(bytes).map_err(|malformed| malformed.line())?;
        let mut keys = SettingsReader::new(values, place.parts());
        keys.check(&KEYS);
        keys.check_parts();
        let Overridable { report_interval_ms, detail, slow_ms, open_age_ms } = Overridable::read(&mut keys);
        let config = Self {
            collector: Collector::read(&mut keys),
            report_interval_ms,
            detail,
            slow_ms,
            open_age_ms,
            timeout_ms: keys.number("timeout_ms", (100, 60_000), 5_000),
            backoff_ms_max: keys.number("backoff_ms_max", (1_000, 300_000), 10_000),
            hop_header: keys.text("hop_header", is_of_header),
            limits: Limits::read(&mut keys),
        };
        keys.verdict().map(|()| config)
    }
}

/// Names of headers come in lower case, whatever was sent.
fn is_of_header(byte: &u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(byte)
}

/// What can differ between parts of the mesh.
struct Overridable {
    report_interval_ms: u64,
    detail: Detail,
    slow_ms: u64,
    open_age_ms: u64,
}

impl Overridable {
    #[inline(never)]
    fn read(keys: &mut SettingsReader) -> Self {
        let details = [("all", Detail::All), ("failures", Detail::Failures), ("none", Detail::None)];
        Self {
            report_interval_ms: keys.number("report_interval_ms", (50, 60_000), 5_000),
            detail: keys.choice("detail", &details),
            slow_ms: keys.number("slow_ms", (1, 3_600_000), 1_000),
            open_age_ms: keys.number("open_age_ms", (100, 3_600_000), 5_000),
        }
    }
}

impl Config {
    /// How often to look at what is due, milliseconds.
    #[must_use]
    pub fn tick_ms(&self) -> u64 {
        self.report_interval_ms.min(TICK_MS_MAX)
    }
}

impl Collector {
    #[inline(never)]
    fn read(keys: &mut SettingsReader) -> Self {
        let cluster = keys.text("collector.cluster", u8::is_ascii_graphic);
        if cluster.is_empty() {
            keys.complain("`collector.cluster` is missing".to_owned());
        }
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:".contains(byte);
        let mut authority = keys.text("collector.authority", allowed);
        if authority.is_empty() {
            authority = cluster.rsplit('|').next().unwrap_or_default().to_owned();
        }
        Self { cluster, authority }
    }
}

impl Limits {
    #[inline(never)]
    fn read(keys: &mut SettingsReader) -> Self {
        let default = Self::default();
        let mut count = |key, range, default| keys.count(key, range, default);
        Self {
            batch_records_max: count("limits.batch_records_max", (1, 4_096), default.batch_records_max),
            buffer_bytes_max: count("limits.buffer_bytes_max", (4_096, 1 << 26), default.buffer_bytes_max),
            batches_in_flight_max: count(
                "limits.batches_in_flight_max",
                (1, 16),
                default.batches_in_flight_max,
            ),
            fold_rows_max: count("limits.fold_rows_max", (0, 65_536), default.fold_rows_max),
        }
    }
}

/// What of the bytes shows as `Identity.config_hash`, so that drift between proxies is seen.
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
    fn the_cluster_is_enough() {
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
    fn what_is_wrong_is_said_in_one_line() {
        check("", "there is none; set `collector.cluster`");
        check("{\"collector\": ", "it is not the JSON that is expected at line 1 column 15");
        check("{}", "`collector.cluster` is missing");
        check(
            r#"{"speed": 5}"#,
            "`speed` is not known; possible are `collector.cluster`, `collector.authority`, `report_interval_ms`, \
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
            "`detail` is none of `all`, `failures`, `none`",
        );
        check(
            r#"{"collector": {"cluster": "c"}, "timeout_ms": "1s"}"#,
            "`timeout_ms` is not a whole number from 100 to 60000",
        );
        check(r#"{"collector": {"cluster": ""}}"#, "`collector.cluster` has 0 bytes; 1 to 125 are possible");
        check(
            r#"{"collector": {"cluster": "c", "authority": "a|b"}}"#,
            "`collector.authority` holds '|', which is not allowed there",
        );
        check(
            r#"{"collector": {"cluster": "c"}, "hop_header": "X-Hop"}"#,
            "`hop_header` holds 'X', which is not allowed there",
        );
        check(
            r#"{"collector": {"cluster": "ü"}}"#,
            "`collector.cluster` holds 'ü', which is not allowed there",
        );
    }
}
