//! Validation of the requests in flight of a batch.
//!
//! In: decoded entries, and the validated edges.
//! Out: one entry per reporter.
//! Invariant: a reporter has at most one entry; `count >= long_count >=` the sum of the rows; the
//! edge of a row has the reporter of its entry.

use super::rows::Rows;
use super::tables;
use crate::batch::{Edges, InFlight, InFlightLong, RejectedRows, Reporter, RowReason};
use crate::intake::reject::Rejection;
use hopscope_proto::v1;

/// Maximum rows of one entry, as `telemetry.proto` defines it.
const ROWS_MAX: usize = 64;

impl Rows<'_> {
    /// Validates the requests in flight of all reporters. An entry that repeats the reporter of an
    /// earlier one is rejected.
    pub(crate) fn in_flight(
        &self,
        wire: &[v1::InFlight],
        edges: &Edges,
        rejected: &mut RejectedRows,
    ) -> Result<Vec<InFlight>, Rejection> {
        tables::at_most("in_flight", wire.len(), self.limits.rows_max)?;
        let mut entries: Vec<InFlight> = Vec::new();
        for wire in wire {
            let reporter = tables::reporter(wire.reporter)
                .filter(|reporter| entries.iter().all(|known| known.reporter != *reporter))
                .filter(|_| wire.count > 0 && wire.long_count <= wire.count);
            match reporter {
                Some(reporter) => entries.push(InFlight {
                    reporter,
                    count: wire.count,
                    oldest_age_us: wire.oldest_age_us,
                    long_count: wire.long_count,
                    long: self.long(wire, reporter, edges, rejected),
                }),
                None => rejected.add_row(RowReason::InFlight),
            }
        }
        Ok(entries)
    }

    /// Validates the long-running requests of an entry. A row that exceeds the count of the entry
    /// is rejected.
    fn long(
        &self,
        wire: &v1::InFlight,
        reporter: Reporter,
        edges: &Edges,
        rejected: &mut RejectedRows,
    ) -> Vec<InFlightLong> {
        let mut long = Vec::with_capacity(wire.long.len().min(ROWS_MAX));
        let mut left = wire.long_count;
        for row in &wire.long {
            let edge = self.edges.index(row.edge).filter(|edge| edges.reporter(*edge) == Some(reporter));
            let Some(edge) = edge else {
                rejected.add_row(RowReason::Edge);
                continue;
            };
            if row.count == 0 || row.count > left || long.len() >= ROWS_MAX {
                rejected.add_row(RowReason::InFlight);
                continue;
            }
            left = left.saturating_sub(row.count);
            long.push(InFlightLong {
                edge,
                count: row.count,
                oldest_age_us: row.oldest_age_us,
                request_bytes: row.request_bytes,
                response_bytes: row.response_bytes,
            });
        }
        long
    }
}
