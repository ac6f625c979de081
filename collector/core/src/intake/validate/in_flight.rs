//! Validation of the requests in flight of a batch.
//!
//! In: decoded entries, and the validated edges.
//! Out: one entry per reporter.
//! Invariant: a reporter has at most one entry; `count >= long_count >=` the sum of the rows; the
//! edge of a row has the reporter of its entry.

use super::tables;
use crate::batch::{Edges, Open, OpenLong};
use crate::intake::reject::Rejection;
use hopscope_proto::v1;

/// One entry per reporter: source, destination, waypoint.
const ENTRIES_MAX: usize = 3;
/// Maximum rows of one entry, as `telemetry.proto` defines it.
const ROWS_MAX: usize = 64;

/// Validates the requests in flight of all reporters.
pub(crate) fn open(wire: &[v1::Open], edges: &Edges) -> Result<Vec<Open>, Rejection> {
    tables::at_most("open", wire.len(), ENTRIES_MAX)?;
    let mut entries: Vec<Open> = Vec::with_capacity(wire.len());
    for (row, wire) in wire.iter().enumerate() {
        let entry = entry(row, wire, edges)?;
        if entries.iter().any(|known| known.reporter == entry.reporter) {
            return Err(Rejection::Open { row, problem: "repeats the reporter of an earlier entry" });
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(row: usize, wire: &v1::Open, edges: &Edges) -> Result<Open, Rejection> {
    let reject = |problem| Err(Rejection::Open { row, problem });
    tables::at_most("open.long", wire.long.len(), ROWS_MAX)?;
    let reporter = tables::reporter(row, wire.reporter)
        .map_err(|_| Rejection::Open { row, problem: "has an unknown reporter" })?;
    if wire.count == 0 {
        return reject("has a count of 0");
    }
    let mut long = Vec::with_capacity(wire.long.len());
    let mut sum = 0_u64;
    for wire in &wire.long {
        let edge = tables::index("open.long.edge", row, wire.edge, edges.len())?;
        if edges.reporter(edge) != Some(reporter) {
            return reject("has an edge of another reporter");
        }
        if wire.count == 0 {
            return reject("has a row with a count of 0");
        }
        sum = sum.saturating_add(wire.count);
        long.push(OpenLong {
            edge,
            count: wire.count,
            oldest_age_us: wire.oldest_age_us,
            request_bytes: wire.request_bytes,
            response_bytes: wire.response_bytes,
        });
    }
    if sum > wire.long_count || wire.long_count > wire.count {
        return reject("does not add up: count < long_count, or long_count < the sum of its rows");
    }
    Ok(Open {
        reporter,
        count: wire.count,
        oldest_age_us: wire.oldest_age_us,
        long_count: wire.long_count,
        long,
    })
}
