//! The TCP connections of a batch.
//!
//! In: rows of open connections as decoded; checked records and fold rows. Out: the connections among them, apart. Always
//! holds: what stays among the requests is none; a row's edge lies inside the table.

use super::{Limits, tables};
use crate::ingest::refusal::Refusal;
use crate::report::{Connections, Fold, OpenConnections, Outcome, Protocol, Record};
use hopscope_proto::v1;

/// Takes the connections out of the requests. `continued`: of each outcome whether it is of connections that were told as
/// opened before.
pub(super) fn part(
    wire: &[v1::Connections],
    continued: Vec<bool>,
    outcomes: &[Outcome],
    edges: usize,
    (records, folds): (&mut Vec<Record>, &mut Vec<Fold>),
    limits: &Limits,
) -> Result<Connections, Refusal> {
    tables::at_most("connections", wire.len(), limits.rows_max)?;
    let open = wire.iter().enumerate().map(|(row, wire)| {
        Ok(OpenConnections {
            edge: tables::inside("connections.edge", row, wire.edge, edges)?,
            opened: wire.opened,
            request_bytes: wire.request_bytes,
            response_bytes: wire.response_bytes,
        })
    });
    let open = open.collect::<Result<_, _>>()?;
    if outcomes.iter().all(|outcome| outcome.protocol != Protocol::Tcp) {
        return Ok(Connections { open, ..Connections::default() });
    }
    let is_tcp =
        |outcome: usize| outcomes.get(outcome).is_some_and(|outcome| outcome.protocol == Protocol::Tcp);
    Ok(Connections {
        closed: records.extract_if(.., |record| is_tcp(record.outcome)).collect(),
        folds: folds.extract_if(.., |fold| is_tcp(fold.outcome)).collect(),
        open,
        continued,
    })
}
