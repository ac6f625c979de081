//! Validation of the TCP connections of a batch.
//!
//! In: decoded rows of open connections; validated records and fold rows.
//! Out: the connections, removed from the requests.
//! Invariant: no connection stays among the requests; the edge of a row is inside the table.

use super::{Limits, tables};
use crate::batch::{Connections, Flow, Fold, Outcome, Protocol, Record};
use crate::intake::reject::Rejection;
use hopscope_proto::v1;

/// Moves the connections out of the requests. `continued`: for each outcome, whether an earlier
/// batch counted its connections as opened.
pub(super) fn split(
    wire: &[v1::Flow],
    continued: Vec<bool>,
    outcomes: &[Outcome],
    edges: usize,
    (records, folds): (&mut Vec<Record>, &mut Vec<Fold>),
    limits: &Limits,
) -> Result<Connections, Rejection> {
    let open = flows(wire, ("connections", "connections.edge"), edges, limits)?;
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

/// Validates the increments of open connections or streams. `names`: the table, and its column of
/// edges.
pub(super) fn flows(
    wire: &[v1::Flow],
    names: (&'static str, &'static str),
    edges: usize,
    limits: &Limits,
) -> Result<Vec<Flow>, Rejection> {
    tables::at_most(names.0, wire.len(), limits.rows_max)?;
    let flows = wire.iter().enumerate().map(|(row, wire)| {
        Ok(Flow {
            edge: tables::index(names.1, row, wire.edge, edges)?,
            opened: wire.opened,
            request_bytes: wire.request_bytes,
            response_bytes: wire.response_bytes,
        })
    });
    flows.collect()
}
