//! Validation of the TCP connections of a batch.
//!
//! In: decoded rows of open connections; validated records and fold rows.
//! Out: the connections, removed from the requests.
//! Invariant: no connection stays among the requests; the edge of a row is valid.

use super::rows::Rows;
use super::tables;
use crate::batch::{Connections, Flow, Fold, Outcome, Protocol, Record, RejectedRows, RowReason};
use crate::intake::reject::Rejection;
use hopscope_proto::v1;

/// Moves the connections out of the requests. `open`: the validated open connections; `continued`:
/// for each outcome, whether an earlier batch counted its connections as opened.
pub(super) fn split(
    open: Vec<Flow>,
    continued: Vec<bool>,
    outcomes: &[Outcome],
    records: &mut Vec<Record>,
    folds: &mut Vec<Fold>,
) -> Connections {
    if outcomes.iter().all(|outcome| outcome.protocol != Protocol::Tcp) {
        return Connections { open, ..Connections::default() };
    }
    let is_tcp =
        |outcome: usize| outcomes.get(outcome).is_some_and(|outcome| outcome.protocol == Protocol::Tcp);
    Connections {
        closed: records.extract_if(.., |record| is_tcp(record.outcome)).collect(),
        folds: folds.extract_if(.., |fold| is_tcp(fold.outcome)).collect(),
        open,
        continued,
    }
}

impl Rows<'_> {
    /// Validates the increments of open connections or streams. `table`: name of the table.
    pub(super) fn flows(
        &self,
        table: &'static str,
        wire: &[v1::Flow],
        rejected: &mut RejectedRows,
    ) -> Result<Vec<Flow>, Rejection> {
        tables::at_most(table, wire.len(), self.limits.rows_max)?;
        let row = |wire: &v1::Flow| {
            let Some(edge) = self.edges.index(wire.edge) else {
                rejected.add_row(RowReason::Edge);
                return None;
            };
            let v1::Flow { opened, request_bytes, response_bytes, .. } = *wire;
            Some(Flow { edge, opened, request_bytes, response_bytes })
        };
        Ok(wire.iter().filter_map(row).collect())
    }
}
