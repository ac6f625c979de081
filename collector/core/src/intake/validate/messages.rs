//! The gRPC messages of a batch.
//!
//! In: rows as decoded. Out: the same in the collector's words. Always holds: a row's edge and outcome lie inside the tables.

use super::rows::Rows;
use super::tables;
use crate::batch::Messages;
use crate::intake::reject::Rejection;
use hopscope_proto::v1;

impl Rows<'_> {
    pub(crate) fn messages(&self, wire: &[v1::Messages]) -> Result<Vec<Messages>, Rejection> {
        tables::at_most("messages", wire.len(), self.limits.rows_max)?;
        let rows = wire.iter().enumerate().map(|(row, wire)| {
            Ok(Messages {
                edge: tables::inside("messages.edge", row, wire.edge, self.edges)?,
                outcome: tables::inside("messages.outcome", row, wire.outcome, self.outcomes)?,
                request: wire.request_messages,
                response: wire.response_messages,
            })
        });
        rows.collect()
    }
}
