//! Metric families of the settings in force, and of reloads.

use crate::runtime::self_metrics::{Reload, Seen};
use hopscope_core::metrics::{self, Family, Metric, Visitor, families, seconds, visit_rows};

static LOADED: [Metric<Seen>; 2] = [
    Metric::gauge(
        "hopscope_config_reload_success",
        "Whether the last load of the configuration succeeded: 1, or 0 while older settings are in force.",
        |seen| (!seen.rejected).into(),
    ),
    Metric::gauge(
        "hopscope_config_reload_success_timestamp_seconds",
        "Time of the last successful load of the configuration in seconds since the Unix epoch.",
        |seen| seconds(seen.loaded_us).into(),
    ),
];

static RELOADS: [Metric<u64>; 1] = [Metric::counter_of_rows(
    "hopscope_config_reloads_total",
    "Reloads of the configuration, by result.",
    &["result"],
)];

static PENDING: [Metric<Seen>; 1] = [Metric::gauge(
    "hopscope_config_restart_pending",
    "Changed settings that take effect after a restart.",
    |seen| seen.restart.into(),
)];

static VALUES: [Metric<u64>; 1] = [Metric::<u64>::gauge(
    "hopscope_config_value",
    "Numeric settings in force, such as limits, in the unit that the name of the setting states.",
    |value| (*value).into(),
)
.labels(&["setting"])];

/// All declarations.
pub(super) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&LOADED).chain(families(&RELOADS)).chain(families(&PENDING)).chain(families(&VALUES))
}

/// Visits the families.
pub(super) fn visit(seen: &Seen, to: &mut impl Visitor) {
    metrics::visit(&LOADED, seen, to);
    let reloads: Vec<_> =
        Reload::ALL.iter().zip(seen.reloads).map(|((_, result), count)| ([*result], count)).collect();
    visit_rows(&RELOADS, &reloads, to);
    metrics::visit(&PENDING, seen, to);
    let values: Vec<_> = seen.numbers.iter().map(|(setting, value)| ([setting.as_str()], *value)).collect();
    visit_rows(&VALUES, &values, to);
}
