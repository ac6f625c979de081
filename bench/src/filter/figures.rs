//! Medians of the measured figures, as JSON and as a table.
//!
//! In: a figure per repeat. Out: one [`Row`] of medians per arm.

use super::arm::Arm;
use super::rounds::Rounds;
use serde::Serialize;

/// Numbers of requests and repeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Requests of each arm before the measurement.
    pub(crate) warm_up_requests: u64,
    /// Requests of one count under callgrind.
    pub(crate) counted_requests: u64,
    /// Counts of each arm.
    pub(crate) counts: usize,
    /// Rounds at a fixed rate.
    pub(crate) rounds: usize,
    /// Seconds of each arm in a round.
    pub(crate) round_seconds: u64,
}

impl Effort {
    /// Effort of the published figures.
    pub(crate) const FULL: Self =
        Self { warm_up_requests: 2_000, counted_requests: 1_000, counts: 7, rounds: 5, round_seconds: 5 };
    /// Effort of a quick test; instructions and bytes are exact to some percent.
    pub(crate) const QUICK: Self =
        Self { warm_up_requests: 1_000, counted_requests: 500, counts: 1, rounds: 2, round_seconds: 2 };
}

/// Figures of all arms.
#[derive(Debug, Serialize)]
pub(crate) struct Figures<'a> {
    pub(crate) arms: &'a [Row],
}

/// Cost of one arm; a unit is the end of a name.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: &'static str,
    /// Instructions of the whole Envoy, not only of the telemetry.
    instructions_per_request: f64,
    /// Processor time of the whole Envoy.
    cpu_us_per_request: f64,
    p50_us: f64,
    p99_us: f64,
    /// Bytes per reported request, in a record or in a fold; 0 for the bare Envoy.
    wire_bytes_per_record: f64,
    /// Difference to the bare Envoy of this run.
    memory_bytes: i64,
    #[serde(skip)]
    requests_per_message: f64,
    #[serde(skip)]
    spread: Spread,
}

/// Minimum and maximum of the figures behind a median.
#[derive(Debug)]
struct Spread {
    instructions: (f64, f64),
    cpu_us: (f64, f64),
    p50_us: (f64, f64),
    p99_us: (f64, f64),
}

/// Returns the rows of all arms from their counts and rounds, which are in the same order.
pub(crate) fn rows(counts: &[Vec<f64>], rounds: &[Rounds]) -> Vec<Row> {
    let bare_bytes = rounds.first().map_or(0, |bare| bare.memory_bytes);
    let arms = Arm::ALL.into_iter().zip(counts).zip(rounds);
    arms.map(|((arm, counts), rounds)| Row {
        name: arm.name(),
        instructions_per_request: median(counts).round(),
        cpu_us_per_request: median(&rounds.cpu_us_per_request),
        p50_us: median(&rounds.p50_us),
        p99_us: median(&rounds.p99_us),
        wire_bytes_per_record: rounds.wire_bytes as f64 / rounds.requests.max(1) as f64,
        memory_bytes: rounds.memory_bytes.cast_signed() - bare_bytes.cast_signed(),
        requests_per_message: rounds.requests as f64 / rounds.messages.max(1) as f64,
        spread: Spread {
            instructions: spread(counts),
            cpu_us: spread(&rounds.cpu_us_per_request),
            p50_us: spread(&rounds.p50_us),
            p99_us: spread(&rounds.p99_us),
        },
    })
    .collect()
}

/// Formats a table in Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| arm | instructions/request | added | CPU µs/request | p50 µs | p99 µs | wire bytes/request | requests/message \
         | memory over bare, MB |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let bare = rows.first().map_or(0.0, |row| row.instructions_per_request);
    for row in rows {
        let of = |value: f64, (least, most): (f64, f64)| format!("{value:.0} ({least:.0}–{most:.0})");
        let reports = row.wire_bytes_per_record > 0.0;
        let if_reported = |value: f64| if reports { format!("{value:.1}") } else { "–".to_owned() };
        text += &format!(
            "| {} | {} | {:.0} | {} | {} | {} | {} | {} | {:.1} |\n",
            row.name,
            of(row.instructions_per_request, row.spread.instructions),
            row.instructions_per_request - bare,
            of(row.cpu_us_per_request, row.spread.cpu_us),
            of(row.p50_us, row.spread.p50_us),
            of(row.p99_us, row.spread.p99_us),
            if_reported(row.wire_bytes_per_record),
            if_reported(row.requests_per_message),
            row.memory_bytes as f64 / 1e6,
        );
    }
    text
}

/// Quantile `q` of sorted values.
pub(crate) fn quantile(sorted: &[u32], q: f64) -> f64 {
    let index = sorted.len().saturating_sub(1) as f64 * q;
    sorted.get(index as usize).copied().map_or(0.0, f64::from)
}

/// Median; 0 without values.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
    f64::midpoint(lower, upper)
}

fn spread(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0);
    let most = values.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0);
    (least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], expected: (f64, (f64, f64))) {
        assert_eq!((median(values), spread(values)), expected);
    }

    #[test]
    fn median_and_spread_of_odd_even_and_no_values() {
        check(&[], (0.0, (0.0, 0.0)));
        check(&[3.0, 1.0, 2.0], (2.0, (1.0, 3.0)));
        check(&[4.0, 1.0, 2.0, 3.0], (2.5, (1.0, 4.0)));
    }

    #[test]
    fn memory_is_relative_to_the_bare_envoy_and_keys_are_stable() {
        let rounds: Vec<Rounds> = (0..5)
            .map(|index| Rounds {
                memory_bytes: 100 + index,
                requests: 10,
                wire_bytes: 160,
                ..Rounds::default()
            })
            .collect();
        let rows = rows(&vec![vec![7.0]; 5], &rounds);
        let first = serde_json::to_value(&rows[0]).unwrap();
        let last = serde_json::to_value(&rows[4]).unwrap();
        assert_eq!((&first["memory_bytes"], &last["memory_bytes"]), (&0.into(), &4.into()));
        assert_eq!(last["wire_bytes_per_record"], 16.0);
        let keys: Vec<&str> = last.as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = [
            "name",
            "instructions_per_request",
            "cpu_us_per_request",
            "p50_us",
            "p99_us",
            "wire_bytes_per_record",
            "memory_bytes",
        ];
        known.sort_unstable();
        let mut keys = keys;
        keys.sort_unstable();
        assert_eq!(keys, known);
    }
}
