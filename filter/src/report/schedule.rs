//! The time of the next batch.
//!
//! Invariant: a failure is sent within one tick. While all requests succeed, the wait doubles from
//! batch to batch up to `report_interval_ms`. A VM with a non-empty ledger sends at least every
//! [`HEARTBEAT_MS`].

use super::buffer::Buffer;
use super::ledger::Ledger;
use crate::config::Config;
use crate::in_flight::InFlight;

/// The longest silence of a VM with a non-empty ledger, milliseconds. From a heartbeat, a collector
/// learns after a restart what was reported before, and otherwise that the VM is still running.
pub(super) const HEARTBEAT_MS: u64 = 15_000;

/// The state of the schedule.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    ledger_reported: Ledger,
    next_batch_ms: u64,
    /// The longest time that a record waits; it rises from batch to batch while all requests
    /// succeed.
    age_max_ms: u64,
    heartbeat_ms: u64,
    /// Whether the VM is about to end, so that everything is due.
    is_shutting_down: bool,
}

impl Schedule {
    /// Makes everything due, because the VM is about to end; or ends that state.
    pub(super) fn set_shutting_down(&mut self, is_shutting_down: bool) {
        self.is_shutting_down = is_shutting_down;
    }

    /// Shortens the wait of the next records to a tick, after a failed report.
    pub(super) fn hurry(&mut self) {
        self.age_max_ms = 0;
    }

    /// Schedules the batch after one that carries this ledger.
    pub(super) fn advance(&mut self, ledger: Ledger, holds_failure: bool, config: &Config, now_ms: u64) {
        self.ledger_reported = ledger;
        self.age_max_ms =
            if holds_failure { 0 } else { self.age_max_ms.saturating_mul(2).max(config.tick_ms()) };
        self.heartbeat_ms = now_ms.saturating_add(HEARTBEAT_MS);
        // Two plugins of one VM tick at different times; a little slack keeps each of them from
        // skipping a tick.
        let slack_ms = config.tick_ms() / 8;
        self.next_batch_ms = now_ms.saturating_add(config.tick_ms().saturating_sub(slack_ms));
    }

    /// Returns whether the buffered data is enough, urgent, or old, or whether the ledger is to be
    /// reported.
    #[inline(never)]
    pub(super) fn is_due(&self, buffer: &Buffer, in_flight: &InFlight, config: &Config, now_ms: u64) -> bool {
        if buffer.fills_a_report() {
            return true;
        }
        if self.is_shutting_down {
            return buffer.since_ms().is_some() || buffer.ledger != self.ledger_reported;
        }
        if now_ms < self.next_batch_ms {
            return false;
        }
        if in_flight.requests.is_due(now_ms.saturating_mul(1_000), config) {
            return true;
        }
        let Some(since_ms) = buffer.since_ms() else {
            return buffer.ledger != self.ledger_reported
                || buffer.ledger != Ledger::default() && now_ms >= self.heartbeat_ms;
        };
        // At the next tick it would be too old.
        let age_max_ms = self.age_max_ms.min(config.report_interval_ms).saturating_sub(config.tick_ms());
        buffer.holds_failure() || now_ms.saturating_sub(since_ms) >= age_max_ms
    }
}
