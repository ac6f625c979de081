//! Validation of the gRPC message counts of a batch.
//!
//! Invariant: the edge and the outcome of a row are valid.

use super::rows::Rows;
use super::tables;
use crate::batch::{Messages, RejectedRows, RowReason};
use crate::intake::reject::Rejection;
use hopscope_proto::v1;

impl Rows<'_> {
    /// Validates the rows of message counts.
    pub(crate) fn messages(
        &self,
        wire: &[v1::Messages],
        rejected: &mut RejectedRows,
    ) -> Result<Vec<Messages>, Rejection> {
        tables::at_most("messages", wire.len(), self.limits.rows_max)?;
        let row = |wire: &v1::Messages| {
            Ok(Messages {
                edge: self.edges.index(wire.edge).ok_or(RowReason::Edge)?,
                outcome: self.outcomes.index(wire.outcome).ok_or(RowReason::Outcome)?,
                request: wire.request_messages,
                response: wire.response_messages,
            })
        };
        let rows = wire.iter().filter_map(|wire| row(wire).map_err(|reason| rejected.add_row(reason)).ok());
        Ok(rows.collect())
    }
}
