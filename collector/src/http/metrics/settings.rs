//! What is in force, and how reloads went.

use super::super::prometheus::{Exposition, Kind};
use super::seconds;
use crate::runtime::self_metrics::{Reload, Seen};

pub(super) fn render(text: &mut Exposition<'_>, seen: &Seen) {
    text.single(
        "hopscope_config_reload_success",
        Kind::Gauge,
        "Whether the configuration was good when it was read last: 1, or 0 when older settings stay in force.",
        u8::from(!seen.refused),
    );
    text.single(
        "hopscope_config_reload_success_timestamp_seconds",
        Kind::Gauge,
        "When a good configuration was read last, Unix time.",
        seconds(seen.loaded_us),
    );
    text.family("hopscope_config_reloads_total", Kind::Counter, "Reloads of the configuration, by result.");
    for ((_, result), count) in Reload::ALL.iter().zip(seen.reloads) {
        text.sample("hopscope_config_reloads_total", &[("result", result)], count);
    }
    text.single(
        "hopscope_config_restart_pending",
        Kind::Gauge,
        "Settings that were changed and take a restart.",
        seen.restart,
    );
    text.family("hopscope_config_value", Kind::Gauge, "Numbers that are in force, limits above all.");
    for (setting, value) in &seen.numbers {
        text.sample("hopscope_config_value", &[("setting", setting)], *value);
    }
}
