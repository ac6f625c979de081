//! Settings that can differ between sites and workloads of the mesh.

use super::reader::SettingsReader;

/// Keys of [`Overridable`].
pub(super) const KEYS: [&str; 4] = ["report_interval_ms", "detail", "slow_ms", "open_age_ms"];

/// Requests that leave the proxy as single records. Counts are exact for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// All requests.
    All,
    /// Failed and slow requests.
    Failures,
    /// No request.
    None,
}

/// Values of the overridable settings. The type `Config` documents each.
pub(super) struct Overridable {
    pub(super) report_interval_ms: u64,
    pub(super) detail: Detail,
    pub(super) slow_ms: u64,
    pub(super) open_age_ms: u64,
}

impl Overridable {
    /// Reads the settings.
    #[inline(never)]
    pub(super) fn read(settings: &mut SettingsReader) -> Self {
        let details = [("all", Detail::All), ("failures", Detail::Failures), ("none", Detail::None)];
        Self {
            report_interval_ms: settings.number("report_interval_ms", (50, 60_000), 5_000),
            detail: settings.choice("detail", &details),
            slow_ms: settings.number("slow_ms", (1, 3_600_000), 1_000),
            open_age_ms: settings.number("open_age_ms", (100, 3_600_000), 5_000),
        }
    }
}
