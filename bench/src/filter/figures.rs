//! From what was measured to what is shown.
//!
//! In: a figure per repeat. Out: one [`Row`] per arm, of medians. Always holds: pure.

use super::arm::Arm;
use super::rounds::Rounds;
use serde::Serialize;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Requests of each arm before anything is measured.
    pub(crate) warm_up_requests: u64,
    /// Requests that are counted at a time under callgrind.
    pub(crate) counted_requests: u64,
    /// Counts of each arm.
    pub(crate) counts: usize,
    /// Rounds at a fixed rate.
    pub(crate) rounds: usize,
    /// Seconds of each arm in a round.
    pub(crate) round_seconds: u64,
}

impl Effort {
    /// What the published figures come from.
    pub(crate) const FULL: Self =
        Self { warm_up_requests: 2_000, counted_requests: 1_000, counts: 7, rounds: 5, round_seconds: 5 };
    /// To see that everything works; instructions and bytes are good to some percent.
    pub(crate) const QUICK: Self =
        Self { warm_up_requests: 1_000, counted_requests: 500, counts: 1, rounds: 2, round_seconds: 2 };
}

/// What machines get.
#[derive(Debug, Serialize)]
pub(crate) struct Answer<'a> {
    pub(crate) arms: &'a [Row],
}

/// What one arm costs; the names are the units.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: &'static str,
    /// All of Envoy's, not only the telemetry's.
    instructions_per_request: f64,
    /// Likewise.
    cpu_us_per_request: f64,
    p50_us: f64,
    p99_us: f64,
    /// Per request that was told, one by one or in a fold; 0 for the bare Envoy.
    wire_bytes_per_record: f64,
    /// Over the bare Envoy of this run, whose own is 0.
    memory_bytes: i64,
    #[serde(skip)]
    requests_per_message: f64,
    #[serde(skip)]
    spread: Spread,
}

/// Least and most of the figures that a median stands for.
#[derive(Debug)]
struct Spread {
    instructions: (f64, f64),
    cpu_us: (f64, f64),
    p50_us: (f64, f64),
    p99_us: (f64, f64),
}

/// The rows of all arms, from their counts and rounds in the same order.
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

/// A table for people, in Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| arm | instructions/request | added | CPU µs/request | p50 µs | p99 µs | wire bytes/request | requests/message \
         | memory over bare, MB |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let bare = rows.first().map_or(0.0, |row| row.instructions_per_request);
    for row in rows {
        let of = |value: f64, (least, most): (f64, f64)| format!("{value:.0} ({least:.0}–{most:.0})");
        let told = row.wire_bytes_per_record > 0.0;
        let if_told = |value: f64| if told { format!("{value:.1}") } else { "–".to_owned() };
        text += &format!(
            "| {} | {} | {:.0} | {} | {} | {} | {} | {} | {:.1} |\n",
            row.name,
            of(row.instructions_per_request, row.spread.instructions),
            row.instructions_per_request - bare,
            of(row.cpu_us_per_request, row.spread.cpu_us),
            of(row.p50_us, row.spread.p50_us),
            of(row.p99_us, row.spread.p99_us),
            if_told(row.wire_bytes_per_record),
            if_told(row.requests_per_message),
            row.memory_bytes as f64 / 1e6,
        );
    }
    text
}

/// The value that the share `q` of sorted values does not exceed.
pub(crate) fn quantile(sorted: &[u32], q: f64) -> f64 {
    let place = sorted.len().saturating_sub(1) as f64 * q;
    sorted.get(place as usize).copied().map_or(0.0, f64::from)
}

/// The middle value; of an even number the mean of the two in the middle, of none 0.
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
    fn a_median_stands_in_the_middle() {
        check(&[], (0.0, (0.0, 0.0)));
        check(&[3.0, 1.0, 2.0], (2.0, (1.0, 3.0)));
        check(&[4.0, 1.0, 2.0, 3.0], (2.5, (1.0, 4.0)));
    }

    #[test]
    fn memory_is_told_over_the_bare_one_and_keys_are_those_that_readers_know() {
        let rounds: Vec<Rounds> = (0..5)
            .map(|place| Rounds {
                memory_bytes: 100 + place,
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
