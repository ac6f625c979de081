//! NumberedBatch batches on their way to the collector.
//!
//! In: batches from the [`Buffer`], and answers. Out: reports to send now. Always holds: a batch keeps its number and
//! its bytes until the collector answers for it or refuses it for good; numbers have no gaps; at most
//! `batches_in_flight_max` batches are numbered at a time; after a failure nothing is sent before a jittered pause that
//! doubles up to `backoff_ms_max`; a VM that has seen a request tells its books at least every [`HEARTBEAT_MS`].

use crate::batch::encode::EncodedMessage;
use crate::batch::{Batch, field};
use crate::config::Config;
use crate::report::buffer::Buffer;
use crate::report::ledger::{BatchContent, Ledger};
use crate::report::reply::Reply;
use hopscope_proto::v1;

/// The first pause after a failure, milliseconds.
const BACKOFF_MS_MIN: u64 = 500;

/// The longest silence of a VM that has something in its books, milliseconds. A collector that started anew learns by it
/// what was told to the one before, and one that went on that the VM still lives.
pub const HEARTBEAT_MS: u64 = 15_000;

/// One message for the collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The number of its batch.
    pub sequence: u64,
    /// The encoded `hopscope.v1.Batch`.
    pub message: Vec<u8>,
}

/// Who sends, as the collector is told.
#[derive(Debug, Clone, Default)]
pub struct ProxyIdentity {
    /// Envoy's node id.
    pub proxy: String,
    /// Who the proxy is: a `v1::Identity`.
    pub identity: EncodedMessage,
}

/// The state of reporting in one epoch.
#[derive(Debug)]
pub struct Sender {
    epoch: u64,
    sequence: u64,
    numbered: Vec<NumberedBatch>,
    identity_known: bool,
    ledger_reported: Ledger,
    next_batch_ms: u64,
    /// For how long records may wait: rises from batch to batch while all is well.
    age_max_ms: u64,
    heartbeat_ms: u64,
    pause_until_ms: u64,
    failures: u32,
    random: u64,
    /// Nothing comes after this: whatever there is to say is due.
    leaving: bool,
    acknowledged: u64,
    bytes_sent: u64,
    reports_failed: u64,
}

#[derive(Debug)]
struct NumberedBatch {
    sequence: u64,
    /// Without identity: that is appended when it is sent, since protobuf merges it.
    message: EncodedMessage,
    content: BatchContent,
    in_flight: bool,
    /// As in `v1::Batch.attempt`; it is appended likewise.
    attempt: u32,
}

impl Sender {
    /// An epoch of its own; `seed` is random.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            epoch: seed.max(1),
            sequence: 0,
            numbered: Vec::new(),
            identity_known: false,
            ledger_reported: Ledger::default(),
            next_batch_ms: 0,
            age_max_ms: 0,
            heartbeat_ms: 0,
            pause_until_ms: 0,
            failures: 0,
            random: seed | 1,
            leaving: false,
            acknowledged: 0,
            bytes_sent: 0,
            reports_failed: 0,
        }
    }

    /// The next report to send now, which then counts as in flight; `None` when there is nothing to say, or not yet.
    pub fn poll(
        &mut self,
        buffer: &mut Buffer,
        proxy_identity: &ProxyIdentity,
        config: &Config,
        now_ms: u64,
    ) -> Option<Report> {
        if now_ms < self.pause_until_ms {
            return None;
        }
        if !self.numbered.iter().any(|batch| !batch.in_flight) {
            self.number(buffer, proxy_identity, config, now_ms);
        }
        let batch = self.numbered.iter_mut().find(|batch| !batch.in_flight)?;
        batch.in_flight = true;
        // Protobuf takes what is appended for fields like all others.
        let mut message = batch.message.clone();
        if !self.identity_known {
            message.message(field::IDENTITY, &proxy_identity.identity);
        }
        if batch.attempt > 1 {
            message.numbers(field::ATTEMPT, &[u64::from(batch.attempt)]);
        }
        let message = message.into_bytes();
        let bytes = u64::try_from(message.len()).unwrap_or(u64::MAX);
        self.bytes_sent = self.bytes_sent.saturating_add(bytes);
        Some(Report { sequence: batch.sequence, message })
    }

    /// Gives the next batch its number, when there is room and something to say.
    #[inline(never)]
    fn number(&mut self, buffer: &mut Buffer, proxy_identity: &ProxyIdentity, config: &Config, now_ms: u64) {
        if self.numbered.len() >= config.limits.batches_in_flight_max || !self.is_due(buffer, config, now_ms)
        {
            return;
        }
        let fails = buffer.holds_failure();
        let (batch, content) = next(buffer, config, now_ms);
        let sequence = self.sequence.saturating_add(1);
        self.sequence = sequence;
        let mut message = EncodedMessage::default();
        message.numbers(field::SCHEMA_VERSION, &[u64::from(v1::SCHEMA_VERSION)]);
        message.text(field::PROXY, &proxy_identity.proxy);
        message.fixed(field::EPOCH, self.epoch);
        message.numbers(field::SEQUENCE, &[sequence]);
        message.message(field::LEDGER, &buffer.ledger.encode());
        batch.write(&mut message);
        self.numbered.push(NumberedBatch { sequence, message, content, in_flight: false, attempt: 1 });
        self.ledger_reported = buffer.ledger;
        self.age_max_ms = if fails { 0 } else { self.age_max_ms.saturating_mul(2).max(config.tick_ms()) };
        self.heartbeat_ms = now_ms.saturating_add(HEARTBEAT_MS);
        // Two plugins of one VM tick apart from each other; a little slack keeps one of them from skipping a turn.
        let slack_ms = config.tick_ms() / 8;
        self.next_batch_ms = now_ms.saturating_add(config.tick_ms().saturating_sub(slack_ms));
    }

    /// Whether what waits has become enough, urgent, or old, or the books have something to tell.
    #[inline(never)]
    fn is_due(&self, buffer: &Buffer, config: &Config, now_ms: u64) -> bool {
        if buffer.is_pressing() {
            return true;
        }
        if self.leaving {
            return buffer.since_ms().is_some() || buffer.ledger != self.ledger_reported;
        }
        if now_ms < self.next_batch_ms {
            return false;
        }
        if buffer.open.is_due(now_ms.saturating_mul(1_000), config) {
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

    /// The collector, or Envoy in its place, answered the report of batch `sequence`.
    pub fn on_reply(
        &mut self,
        buffer: &mut Buffer,
        config: &Config,
        sequence: u64,
        reply: Reply,
        now_ms: u64,
    ) {
        let Some(place) = self.numbered.iter().position(|batch| batch.sequence == sequence) else { return };
        match reply {
            Reply::Accepted { need_identity, backoff_ms } => {
                let batch = self.numbered.remove(place);
                self.acknowledged = self.acknowledged.saturating_add(batch.content.requests());
                self.answered(need_identity, backoff_ms, now_ms);
                self.identity_known = !need_identity;
            }
            Reply::NotAccepted { need_identity, backoff_ms } => {
                self.keep(place, true);
                self.answered(need_identity, backoff_ms, now_ms);
            }
            Reply::Refused(reason) => {
                let batch = self.numbered.remove(place);
                buffer.ledger.refuse(batch.content, reason);
                self.answered(false, 0, now_ms);
            }
            Reply::Failed => {
                self.reports_failed = self.reports_failed.saturating_add(1);
                self.keep(place, false);
                self.back_off(config.backoff_ms_max, now_ms);
            }
        }
    }

    /// The VM is about to end: nothing waits any more for company.
    pub fn leave(&mut self) {
        self.leaving = true;
    }

    /// It goes on after all.
    pub fn stay(&mut self) {
        self.leaving = false;
    }

    /// No answer will come for batch `sequence`: what had sent it is gone.
    pub fn on_lost(&mut self, sequence: u64) {
        if let Some(place) = self.numbered.iter().position(|batch| batch.sequence == sequence) {
            self.keep(place, false);
        }
    }

    /// Whether reports fail at the moment.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Requests that the collector answers for.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Requests in batches that have a number, and no answer yet.
    #[must_use]
    pub fn unacknowledged(&self) -> u64 {
        self.numbered.iter().fold(0, |sum, batch| sum.saturating_add(batch.content.requests()))
    }

    /// Size of all messages, repeats too.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }

    /// Reports that nobody answered for, or that could not be dispatched.
    #[must_use]
    pub fn reports_failed(&self) -> u64 {
        self.reports_failed
    }

    fn keep(&mut self, place: usize, is_answered: bool) {
        if let Some(batch) = self.numbered.get_mut(place) {
            batch.in_flight = false;
            batch.attempt = batch.attempt.saturating_add(u32::from(!is_answered));
        }
    }

    fn answered(&mut self, need_identity: bool, backoff_ms: u64, now_ms: u64) {
        self.failures = 0;
        self.pause_until_ms = self.pause_until_ms.max(now_ms.saturating_add(backoff_ms));
        if need_identity {
            self.identity_known = false;
        }
    }

    fn back_off(&mut self, backoff_ms_max: u64, now_ms: u64) {
        // Several reports in flight fail together; that is one failure.
        if now_ms < self.pause_until_ms {
            return;
        }
        self.age_max_ms = 0;
        let doubled = BACKOFF_MS_MIN.saturating_mul(1 << self.failures.min(16));
        let pause_ms = doubled.min(backoff_ms_max);
        let half_ms = pause_ms / 2;
        let jitter_ms = self.random().checked_rem(half_ms.saturating_add(1)).unwrap_or(0);
        self.pause_until_ms = now_ms.saturating_add(half_ms).saturating_add(jitter_ms);
        self.failures = self.failures.saturating_add(1);
    }

    /// Marsaglia's xorshift64: enough to keep the proxies of a mesh from coming back all at once.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// The next batch, with all that rides along.
#[inline(never)]
fn next(buffer: &mut Buffer, config: &Config, now_ms: u64) -> (Batch, BatchContent) {
    let (mut batch, content) = buffer.pop().unwrap_or_default();
    for open in buffer.open.tell(now_ms.saturating_mul(1_000), config) {
        batch.push_open(&open);
    }
    for flow in buffer.connections.deltas.take() {
        batch.push_connections(&flow);
    }
    for flow in buffer.open.deltas.take() {
        batch.push_streams(&flow);
    }
    (batch, content)
}

#[cfg(test)]
mod tests;
