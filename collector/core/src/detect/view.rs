//! Read access of a detector: one edge, and the stages that count it.

use crate::aggregate::Aggregate;
use crate::identity::{EdgeId, EdgeTable, ResolvedEdge};
use crate::join::Join;
use crate::recent::in_flight::InFlightRequests;
use crate::recent::windows::{Window, Windows};

/// Stages that a detector reads.
#[derive(Debug, Clone, Copy)]
pub struct Stages<'a> {
    /// Resolved edges by id.
    pub edges: &'a EdgeTable,
    /// Windows of the last minutes.
    pub windows: &'a Windows,
    /// Series of requests.
    pub aggregate: &'a Aggregate,
    /// Hops.
    pub join: &'a Join,
    /// Requests in flight.
    pub in_flight: &'a InFlightRequests,
}

/// The stages as seen from one edge.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Edge to check.
    pub edge: EdgeId,
    /// Stages to read.
    pub stages: Stages<'a>,
}

impl View<'_> {
    /// Returns both ends and the service of the edge.
    #[must_use]
    pub fn resolved(&self) -> Option<ResolvedEdge> {
        self.stages.edges.get(self.edge)
    }

    /// Returns the windows of the edge, the newest last, without those that have no request.
    #[must_use]
    pub fn windows(&self, now_us: u64) -> Vec<Window> {
        self.stages.windows.of(self.edge, now_us)
    }
}
