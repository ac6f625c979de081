//! The open requests of a batch.
//!
//! In: entries as decoded, and the checked edges. Out: one entry per reporter. Always holds: each reporter has at most one
//! entry; `count >= long_count >=` the sum of the rows; a row's edge is of its entry's reporter.

use super::tables;
use crate::batch::{Edges, Open, OpenLong};
use crate::intake::reject::Rejection;
use hopscope_proto::v1;

/// One for each side of a call that there is.
const ENTRIES_MAX: usize = 3;
/// Rows of one entry, as the contract says.
const ROWS_MAX: usize = 64;

pub(crate) fn open(wire: &[v1::Open], edges: &Edges) -> Result<Vec<Open>, Rejection> {
    tables::at_most("open", wire.len(), ENTRIES_MAX)?;
    let mut entries: Vec<Open> = Vec::with_capacity(wire.len());
    for (row, wire) in wire.iter().enumerate() {
        let entry = entry(row, wire, edges)?;
        if entries.iter().any(|known| known.reporter == entry.reporter) {
            return Err(Rejection::Open { row, problem: "is of a reporter that has an entry already" });
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(row: usize, wire: &v1::Open, edges: &Edges) -> Result<Open, Rejection> {
    let refuse = |problem| Err(Rejection::Open { row, problem });
    tables::at_most("open.long", wire.long.len(), ROWS_MAX)?;
    let reporter = tables::reporter(row, wire.reporter).map_err(|_| Rejection::Open {
        row,
        problem: "is of a reporter that this collector does not know",
    })?;
    if wire.count == 0 {
        return refuse("counts nothing");
    }
    let mut long = Vec::with_capacity(wire.long.len());
    let mut named = 0_u64;
    for wire in &wire.long {
        let edge = tables::inside("open.long.edge", row, wire.edge, edges.len())?;
        if edges.reporter(edge) != Some(reporter) {
            return refuse("has an edge of another reporter");
        }
        if wire.count == 0 {
            return refuse("has a row that counts nothing");
        }
        named = named.saturating_add(wire.count);
        long.push(OpenLong {
            edge,
            count: wire.count,
            oldest_age_us: wire.oldest_age_us,
            request_bytes: wire.request_bytes,
            response_bytes: wire.response_bytes,
        });
    }
    if named > wire.long_count || wire.long_count > wire.count {
        return refuse("does not add up: count is less than long_count, or that than its rows");
    }
    Ok(Open {
        reporter,
        count: wire.count,
        oldest_age_us: wire.oldest_age_us,
        long_count: wire.long_count,
        long,
    })
}
