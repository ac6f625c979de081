//! TCP connections, below the edges.
//!
//! In: rows. Out: text. Always holds: one line per row.

use super::Choice;
use super::table;
use crate::http::ConnectionRow;

impl<'a> From<&'a ConnectionRow> for Choice<'a> {
    fn from(row: &'a ConnectionRow) -> Self {
        Self {
            source_workload: &row.source_workload,
            destination_workload: &row.destination_workload,
            destination_service: &row.destination_service,
            reporter: &row.reporter,
            failed: row.failed,
        }
    }
}

pub(super) fn text(rows: &[ConnectionRow]) -> String {
    let head = [
        "source",
        "destination",
        "tcp service",
        "reporter",
        "flags",
        "opened",
        "closed",
        "sent",
        "received",
        "p50 s",
        "named by",
    ];
    let cells = |row: &ConnectionRow| {
        vec![
            format!("{}@{}", row.source_workload, row.source_version),
            format!("{}@{}", row.destination_workload, row.destination_version),
            row.destination_service.clone(),
            row.reporter.clone(),
            row.response_flags.clone(),
            row.opened.to_string(),
            row.closed.to_string(),
            row.sent_bytes.to_string(),
            row.received_bytes.to_string(),
            format!("{:.3}", row.duration_p50_us / 1_000_000.0),
            row.peer_evidence.clone(),
        ]
    };
    table::render(&head, &rows.iter().map(cells).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::http::ConnectionRow;

    #[test]
    fn one_line_per_row() {
        let row = ConnectionRow {
            reporter: "source".into(),
            source_workload: "shop".into(),
            source_version: "v1".into(),
            destination_workload: "store".into(),
            destination_version: "v2".into(),
            destination_service: "store.shop".into(),
            response_flags: "-".into(),
            peer_evidence: "metadata".into(),
            opened: 3,
            closed: 2,
            sent_bytes: 900,
            received_bytes: 70,
            failed: false,
            duration_p50_us: 1_500_000.0,
            duration_max_us: 2_000_000,
        };
        let expected = "\
source   destination  tcp service  reporter  flags  opened  closed  sent  received  p50 s  named by
shop@v1  store@v2     store.shop   source        -       3       2   900        70  1.500  metadata
";
        assert_eq!(text(&[row]), expected);
    }
}
