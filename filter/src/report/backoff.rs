//! The pause after failed reports.
//!
//! Invariant: a jittered pause follows each failure; it doubles with each further failure, up to
//! `backoff_ms_max`.

/// The first pause after a failure, milliseconds.
const PAUSE_MS_MIN: u64 = 500;

/// The current pause and its growth.
#[derive(Debug)]
pub(super) struct Backoff {
    pause_until_ms: u64,
    failures: u32,
    random: u64,
}

impl Backoff {
    /// Returns a state without failures; `seed` is random.
    pub(super) fn new(seed: u64) -> Self {
        Self { pause_until_ms: 0, failures: 0, random: seed | 1 }
    }

    /// Returns whether no report may be sent now.
    pub(super) fn is_paused(&self, now_ms: u64) -> bool {
        now_ms < self.pause_until_ms
    }

    /// Returns whether the last report failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Ends a series of failures, and pauses for as long as the collector asks.
    pub(super) fn succeed(&mut self, pause_ms: u64, now_ms: u64) {
        self.failures = 0;
        self.pause_until_ms = self.pause_until_ms.max(now_ms.saturating_add(pause_ms));
    }

    /// Starts a pause after a failure. Returns whether it is a new one: reports that are in flight
    /// together fail together, and count once.
    pub(super) fn fail(&mut self, pause_ms_max: u64, now_ms: u64) -> bool {
        if self.is_paused(now_ms) {
            return false;
        }
        let doubled = PAUSE_MS_MIN.saturating_mul(1 << self.failures.min(16));
        let pause_ms = doubled.min(pause_ms_max);
        let half_ms = pause_ms / 2;
        let jitter_ms = self.random().checked_rem(half_ms.saturating_add(1)).unwrap_or(0);
        self.pause_until_ms = now_ms.saturating_add(half_ms).saturating_add(jitter_ms);
        self.failures = self.failures.saturating_add(1);
        true
    }

    /// Returns the next number of Marsaglia's xorshift64, which is enough to keep the proxies of a
    /// mesh from reconnecting at once.
    pub(super) fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
