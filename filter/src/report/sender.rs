//! The sender of numbered batches.
//!
//! In: batches from the [`Buffer`], and replies. Out: batches to send now.
//! Invariant: a batch keeps its sequence number and its bytes until the collector acknowledges it
//! or refuses it for good. Sequence numbers have no gaps. At most `batches_in_flight_max` batches
//! have a number at a time.

use super::backoff::Backoff;
use super::buffer::Buffer;
use super::identity::ProxyIdentity;
use super::ledger::BatchContent;
use super::reply::Reply;
use super::schedule::Schedule;
use crate::batch::{Batch, EncodedMessage, field};
use crate::config::Config;
use crate::in_flight::InFlight;
use hopscope_proto::v1;

/// One batch for the collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingBatch {
    /// The sequence number.
    pub sequence: u64,
    /// The encoded `hopscope.v1.Batch`.
    pub message: Vec<u8>,
}

/// The reports of one epoch.
#[derive(Debug)]
pub struct Sender {
    epoch: u64,
    sequence: u64,
    numbered: Vec<NumberedBatch>,
    is_identity_known: bool,
    schedule: Schedule,
    backoff: Backoff,
    acknowledged: u64,
    bytes_sent: u64,
    reports_failed: u64,
}

#[derive(Debug)]
struct NumberedBatch {
    sequence: u64,
    /// Without the identity, which is appended when the batch is sent: protobuf merges it.
    message: EncodedMessage,
    content: BatchContent,
    in_flight: bool,
    /// `v1::Batch.attempt`; appended when the batch is sent.
    attempt: u32,
}

impl Sender {
    /// Returns a sender with an epoch of its own; `seed` is random.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            epoch: seed.max(1),
            sequence: 0,
            numbered: Vec::new(),
            is_identity_known: false,
            schedule: Schedule::default(),
            backoff: Backoff::new(seed),
            acknowledged: 0,
            bytes_sent: 0,
            reports_failed: 0,
        }
    }

    /// Returns the next batch to send now and marks it as in flight; `None` when nothing is due.
    pub fn poll(
        &mut self,
        buffer: &mut Buffer,
        in_flight: &mut InFlight,
        proxy: &ProxyIdentity,
        config: &Config,
        now_ms: u64,
    ) -> Option<OutgoingBatch> {
        if self.backoff.is_paused(now_ms) {
            return None;
        }
        if !self.numbered.iter().any(|batch| !batch.in_flight) {
            self.number(buffer, in_flight, proxy, config, now_ms);
        }
        let batch = self.numbered.iter_mut().find(|batch| !batch.in_flight)?;
        batch.in_flight = true;
        // A protobuf reader accepts fields in any order.
        let mut message = batch.message.clone();
        if !self.is_identity_known {
            message.message(field::IDENTITY, &proxy.identity);
        }
        if batch.attempt > 1 {
            message.numbers(field::ATTEMPT, &[u64::from(batch.attempt)]);
        }
        let message = message.into_bytes();
        let bytes = u64::try_from(message.len()).unwrap_or(u64::MAX);
        self.bytes_sent = self.bytes_sent.saturating_add(bytes);
        Some(OutgoingBatch { sequence: batch.sequence, message })
    }

    /// Gives the next batch its sequence number, when one is due and fewer than the maximum are in
    /// flight.
    #[inline(never)]
    fn number(
        &mut self,
        buffer: &mut Buffer,
        in_flight: &mut InFlight,
        proxy: &ProxyIdentity,
        config: &Config,
        now_ms: u64,
    ) {
        if self.numbered.len() >= config.limits.batches_in_flight_max
            || !self.schedule.is_due(buffer, in_flight, config, now_ms)
        {
            return;
        }
        let holds_failure = buffer.holds_failure();
        let (batch, content) = next_batch(buffer, in_flight, config, now_ms);
        let sequence = self.sequence.saturating_add(1);
        self.sequence = sequence;
        let mut message = EncodedMessage::default();
        message.numbers(field::SCHEMA_VERSION, &[u64::from(v1::SCHEMA_VERSION)]);
        message.text(field::PROXY, &proxy.node_id);
        message.fixed(field::EPOCH, self.epoch);
        message.numbers(field::SEQUENCE, &[sequence]);
        message.message(field::LEDGER, &buffer.ledger.encode());
        batch.write(&mut message);
        self.numbered.push(NumberedBatch { sequence, message, content, in_flight: false, attempt: 1 });
        self.schedule.advance(buffer.ledger, holds_failure, config, now_ms);
    }

    /// Applies the collector's or Envoy's reply to batch `sequence`.
    pub fn on_reply(
        &mut self,
        buffer: &mut Buffer,
        config: &Config,
        sequence: u64,
        reply: Reply,
        now_ms: u64,
    ) {
        let Some(index) = self.numbered.iter().position(|batch| batch.sequence == sequence) else { return };
        match reply {
            Reply::Accepted { need_identity, backoff_ms } => {
                let batch = self.numbered.remove(index);
                self.acknowledged = self.acknowledged.saturating_add(batch.content.requests());
                self.on_answer(need_identity, backoff_ms, now_ms);
                self.is_identity_known = !need_identity;
            }
            Reply::NotAccepted { need_identity, backoff_ms } => {
                self.requeue(index, true);
                self.on_answer(need_identity, backoff_ms, now_ms);
            }
            Reply::Refused(reason) => {
                let batch = self.numbered.remove(index);
                buffer.ledger.count_refused(batch.content, reason);
                self.on_answer(false, 0, now_ms);
            }
            Reply::Failed => {
                self.reports_failed = self.reports_failed.saturating_add(1);
                self.requeue(index, false);
                if self.backoff.fail(config.backoff_ms_max, now_ms) {
                    self.schedule.hurry();
                }
            }
        }
    }

    /// Makes everything due, because the VM is about to end.
    pub fn shut_down(&mut self) {
        self.schedule.set_shutting_down(true);
    }

    /// Returns to the schedule: the VM goes on.
    pub fn resume(&mut self) {
        self.schedule.set_shutting_down(false);
    }

    /// Requeues batch `sequence`: its plugin has ended, and no reply will arrive.
    pub fn on_lost(&mut self, sequence: u64) {
        if let Some(index) = self.numbered.iter().position(|batch| batch.sequence == sequence) {
            self.requeue(index, false);
        }
    }

    /// Returns whether the last report failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.backoff.is_failing()
    }

    /// Returns the number of requests in acknowledged batches.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Returns the number of requests in numbered batches without a final reply.
    #[must_use]
    pub fn unacknowledged(&self) -> u64 {
        self.numbered.iter().fold(0, |sum, batch| sum.saturating_add(batch.content.requests()))
    }

    /// Returns the size of all messages, repeats included.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }

    /// Returns the number of reports without an answer, or that Envoy could not dispatch.
    #[must_use]
    pub fn reports_failed(&self) -> u64 {
        self.reports_failed
    }

    fn requeue(&mut self, index: usize, is_answered: bool) {
        if let Some(batch) = self.numbered.get_mut(index) {
            batch.in_flight = false;
            batch.attempt = batch.attempt.saturating_add(u32::from(!is_answered));
        }
    }

    fn on_answer(&mut self, need_identity: bool, backoff_ms: u64, now_ms: u64) {
        self.backoff.succeed(backoff_ms, now_ms);
        if need_identity {
            self.is_identity_known = false;
        }
    }
}

/// Returns the next batch, with the state of in-flight requests and connections.
#[inline(never)]
fn next_batch(
    buffer: &mut Buffer,
    in_flight: &mut InFlight,
    config: &Config,
    now_ms: u64,
) -> (Batch, BatchContent) {
    let (mut batch, content) = buffer.pop().unwrap_or_default();
    for summary in in_flight.requests.report(now_ms.saturating_mul(1_000), config) {
        batch.push_in_flight(&summary);
    }
    for delta in in_flight.connections.deltas.drain() {
        batch.push_connections(&delta);
    }
    for delta in in_flight.requests.deltas.drain() {
        batch.push_streams(&delta);
    }
    (batch, content)
}

#[cfg(test)]
mod tests;
