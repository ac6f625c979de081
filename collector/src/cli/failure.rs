//! Text of a failed request or connection.
//!
//! Invariant: a failure is one line, whatever texts its proxy has reported; control characters are
//! replaced, so that these texts cannot control a terminal.

use super::edge_filter::{destination, source};
use crate::http::FailureRow;
use crate::terminal::visible;

const RED: &str = "\u{1b}[31m";
const PLAIN: &str = "\u{1b}[0m";

/// Index of the part with the result.
const RESULT: usize = 4;

/// Renders a failure without a line break.
pub(super) fn line(row: &FailureRow, colour: bool) -> String {
    let FailureRow { edge, .. } = row;
    let mut parts = vec![
        time(row.start_us),
        format!("{} -> {}", source(edge), destination(edge)),
        edge.destination_service.clone(),
        edge.reporter.clone(),
        result(row),
        format!("{}.{:03} ms", row.duration_us / 1_000, row.duration_us % 1_000),
        format!("{}/{} B", row.request_bytes, row.response_bytes),
    ];
    let more = [
        (row.attempts > 1, format!("attempts {}", row.attempts)),
        (!row.request_id_hash.is_empty(), format!("id {}", row.request_id_hash)),
        (!row.code_details.is_empty(), row.code_details.clone()),
        (!row.transport_failure_reason.is_empty(), row.transport_failure_reason.clone()),
        (true, row.proxy.clone()),
    ];
    parts.extend(more.into_iter().filter(|(is_known, _)| *is_known).map(|(_, text)| text));
    let mut parts: Vec<String> = parts.iter().map(|part| visible(part)).collect();
    if let Some(result) = parts.get_mut(RESULT).filter(|_| colour) {
        *result = format!("{RED}{result}{PLAIN}");
    }
    parts.join("  ")
}

/// Renders status and response flags.
fn result(FailureRow { outcome, .. }: &FailureRow) -> String {
    if outcome.request_protocol == "tcp" {
        return format!("tcp {}", outcome.response_flags);
    }
    let mut result = outcome.response_code.clone();
    if outcome.response_flags != "-" {
        result = format!("{result} {}", outcome.response_flags);
    }
    if !matches!(outcome.grpc_response_status.as_str(), "" | "0") {
        result = format!("{result} grpc {}", outcome.grpc_response_status);
    }
    result
}

/// Renders a time in the format of RFC 3339, UTC, with milliseconds.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn time(unix_us: u64) -> String {
    let (days, ms) = (unix_us / 86_400_000_000, unix_us % 86_400_000_000 / 1_000);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::{line, time};
    use crate::cli::edge_filter::example;
    use crate::http::{FailureRow, OutcomeLabels};

    #[test]
    fn times_are_utc_with_milliseconds() {
        let times = [0, 951_782_400_000_000, 1_709_251_199_999_000, 4_102_444_800_001_000].map(time);
        let expected = ["1970-01-01T00:00:00.000Z", "2000-02-29T00:00:00.000Z", "2024-02-29T23:59:59.999Z"];
        assert_eq!(times[..3], expected);
        assert_eq!(times[3], "2100-01-01T00:00:00.001Z");
    }

    #[test]
    fn a_failure_is_one_line_and_its_result_is_red_only_with_colour() {
        let row = FailureRow {
            edge: example(),
            outcome: OutcomeLabels {
                response_code: "503".into(),
                response_flags: "UF".into(),
                ..OutcomeLabels::default()
            },
            duration_us: 12_034,
            attempts: 2,
            request_id_hash: "000000ab".into(),
            transport_failure_reason: "refused\n\u{1b}[2J".into(),
            proxy: "sidecar~a".into(),
            ..FailureRow::default()
        };
        let rest = "12.034 ms  0/0 B  attempts 2  id 000000ab  refused??[2J  sidecar~a";
        let head = "1970-01-01T00:00:00.000Z  shop@v1 -> pay@v2  pay.shop  source";
        assert_eq!(line(&row, false), format!("{head}  503 UF  {rest}"));
        assert_eq!(line(&row, true), format!("{head}  \u{1b}[31m503 UF\u{1b}[0m  {rest}"));
    }
}
