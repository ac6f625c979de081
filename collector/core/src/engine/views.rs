//! Read access to the stages of the engine.

use super::Engine;
use super::pending::PendingEdges;
use crate::aggregate::Aggregate;
use crate::aggregate::connections::ConnectionSeries;
use crate::detect::Detect;
use crate::identity::{AddressBook, EdgeTable, PendingCallers};
use crate::join::Join;
use crate::ledger::Ledger;
use crate::recent::failures::Failures;
use crate::recent::in_flight::InFlightRequests;
use crate::recent::windows::Windows;

impl Engine {
    /// Ledger of all epochs.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Address book: identities of proxies.
    #[must_use]
    pub fn address_book(&self) -> &AddressBook {
        &self.address_book
    }

    /// Requests, connections and failed records whose edge is not resolved yet.
    #[must_use]
    pub fn pending(&self) -> &PendingEdges {
        &self.pending
    }

    /// Requests whose caller only the join can identify.
    #[must_use]
    pub fn pending_callers(&self) -> &PendingCallers {
        &self.pending_callers
    }

    /// Hops: both sides of each request, joined.
    #[must_use]
    pub fn join(&self) -> &Join {
        &self.join
    }

    /// Series of requests.
    #[must_use]
    pub fn aggregate(&self) -> &Aggregate {
        &self.aggregate
    }

    /// Series of TCP connections.
    #[must_use]
    pub fn connections(&self) -> &ConnectionSeries {
        &self.connections
    }

    /// Series of long-lived streams.
    #[must_use]
    pub fn streams(&self) -> &ConnectionSeries {
        &self.streams
    }

    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> &InFlightRequests {
        &self.in_flight
    }

    /// Last failed requests and connections.
    #[must_use]
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Resolved edges by id.
    #[must_use]
    pub fn edges(&self) -> &EdgeTable {
        &self.edges
    }

    /// Windows of the last minutes.
    #[must_use]
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Detectors and their findings.
    #[must_use]
    pub fn detect(&self) -> &Detect {
        &self.detect
    }
}
