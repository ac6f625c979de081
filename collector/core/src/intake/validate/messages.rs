//! Validation of the gRPC message counts of a batch.
//!
//! Invariant: the edge and the outcome of a row are inside their tables.

use super::rows::Rows;
use super::tables;
use crate::batch::Messages;
use crate::intake::reject::Rejection;
use hopscope_proto::v1;

impl Rows<'_> {
    /// Validates the rows of message counts.
    pub(crate) fn messages(&self, wire: &[v1::Messages]) -> Result<Vec<Messages>, Rejection> {
        tables::at_most("messages", wire.len(), self.limits.rows_max)?;
        let rows = wire.iter().enumerate().map(|(row, wire)| {
            Ok(Messages {
                edge: tables::index("messages.edge", row, wire.edge, self.edges)?,
                outcome: tables::index("messages.outcome", row, wire.outcome, self.outcomes)?,
                request: wire.request_messages,
                response: wire.response_messages,
            })
        });
        rows.collect()
    }
}
