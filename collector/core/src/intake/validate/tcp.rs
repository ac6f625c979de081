//! The TCP connections of a batch.
//!
//! In: rows of open connections as decoded; checked records and fold rows. Out: the connections among them, apart. Always
//! holds: what stays among the requests is none; a row's edge lies inside the table.

use super::{Limits, tables};
use crate::batch::{Connections, Flow, Fold, Outcome, Protocol, Record};
use crate::intake::reject::Rejection;
use hopscope_proto::v1;

/// Takes the connections out of the requests. `continued`: of each outcome whether it is of connections that were told as
/// opened before.
pub(super) fn part(
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

/// What is new of what has not ended. `names`: of the table, and of its column of edges.
pub(super) fn flows(
    wire: &[v1::Flow],
    names: (&'static str, &'static str),
    edges: usize,
    limits: &Limits,
) -> Result<Vec<Flow>, Rejection> {
    tables::at_most(names.0, wire.len(), limits.rows_max)?;
    let flows = wire.iter().enumerate().map(|(row, wire)| {
        Ok(Flow {
            edge: tables::inside(names.1, row, wire.edge, edges)?,
            opened: wire.opened,
            request_bytes: wire.request_bytes,
            response_bytes: wire.response_bytes,
        })
    });
    flows.collect()
}
