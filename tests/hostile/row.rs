//! Row of the table: what one attack has cost.

use crate::run::Limits;
use serde_json::json;
use std::time::Duration;

/// Cost of one attack for the good client and the collector.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) attack: &'static str,
    pub(crate) batches: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) slowest: Duration,
    pub(crate) refused: u64,
    pub(crate) memory_before_mib: u64,
    pub(crate) memory_peak_mib: u64,
    pub(crate) memory_after_mib: u64,
    pub(crate) health_slowest: Duration,
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

impl Row {
    /// One line, as the run goes on.
    pub(crate) fn progress(&self) -> String {
        format!("  {}: p99 {:.1} ms, {} refused", self.attack, ms(self.p99), self.refused)
    }

    /// Limits that the attack has broken.
    pub(crate) fn violations(&self, limits: &Limits) -> Vec<String> {
        let broken = [
            (self.refused > 0, format!("{} batches of the good client were refused", self.refused)),
            (self.batches == 0, "the good client was never served".to_owned()),
            (self.p99 > limits.p99, format!("p99 is {:.1} ms", ms(self.p99))),
            (self.health_slowest > limits.health, format!("/healthz took {:.1} ms", ms(self.health_slowest))),
            (self.memory_peak_mib > limits.memory_mib, format!("{} MiB in use", self.memory_peak_mib)),
        ];
        let broken = broken.into_iter().filter(|(is_broken, _)| *is_broken);
        broken.map(|(_, text)| format!("{}: {text}", self.attack)).collect()
    }
}

/// Table of all rows.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = format!(
        "{:<20} {:>7} {:>8} {:>8} {:>8} {:>7} {:>8} {:>8} {:>8} {:>9}\n",
        "attack", "batches", "p50 ms", "p99 ms", "max ms", "refused", "MiB", "peak MiB", "after", "health ms"
    );
    let line = |row: &Row| {
        format!(
            "{:<20} {:>7} {:>8.1} {:>8.1} {:>8.1} {:>7} {:>8} {:>8} {:>8} {:>9.1}\n",
            row.attack,
            row.batches,
            ms(row.p50),
            ms(row.p99),
            ms(row.slowest),
            row.refused,
            row.memory_before_mib,
            row.memory_peak_mib,
            row.memory_after_mib,
            ms(row.health_slowest)
        )
    };
    head + &rows.iter().map(line).collect::<String>()
}

/// One JSON document of all rows.
pub(crate) fn json(rows: &[Row]) -> String {
    let row = |row: &Row| {
        json!({
            "attack": row.attack,
            "batches": row.batches,
            "p50_ms": ms(row.p50),
            "p99_ms": ms(row.p99),
            "slowest_ms": ms(row.slowest),
            "refused": row.refused,
            "memory_before_mib": row.memory_before_mib,
            "memory_peak_mib": row.memory_peak_mib,
            "memory_after_mib": row.memory_after_mib,
            "health_slowest_ms": ms(row.health_slowest),
        })
    };
    format!("{:#}\n", json!({"attacks": rows.iter().map(row).collect::<Vec<_>>()}))
}
