//! Packs the records of a batch and prefetches their table buckets.
//!
//! In: the records of a batch. Out: packed records for the match; records whose verdict needs no
//! other side are counted at once.

use super::edge_context::EdgeContext;
use super::ending::{Ending, Response};
use super::packed_record::{PackedRecord, PendingRecord};
use super::stats::Unjoinable;
use super::{Join, Side};
use crate::batch::{Batch, Outcome, Record};

/// Records that are packed together; they fit the first-level cache.
const CHUNK: usize = 256;
/// Prefetch distances in records: the bucket of a key first, then the other buckets that this one
/// names. 24 is about the number of reads that a processor has in flight, 8 a third of that.
const FAR: usize = 24;
const NEAR: usize = 8;
/// Records that ended longer ago, or end further in the future, are not joined. Within one hour
/// wrapped times are comparable.
const AGE_US_MAX: u64 = 3_600 * 1_000_000;

/// Endings of an outcome as endings by each side, packed.
#[derive(Debug, Clone, Copy)]
struct OutcomeWords {
    source: Ending,
    /// Part of the first word of a [`PackedRecord`], by side.
    source_word: u64,
    destination_word: u64,
    /// Source side of a request that never reached the router: the proxy sent a local reply.
    unreached_word: u64,
}

impl OutcomeWords {
    fn of(outcome: &Outcome) -> Self {
        let response = Response::of(outcome);
        let source = Ending::of(outcome, Side::Source);
        Self {
            source,
            source_word: PendingRecord::outcome_word(source, response),
            destination_word: PendingRecord::outcome_word(Ending::of(outcome, Side::Destination), response),
            unreached_word: PendingRecord::outcome_word(Ending::NotForwarded, response),
        }
    }
}

impl Join {
    pub(super) fn match_all(&mut self, batch: &Batch, contexts: &[Option<EdgeContext>], now_us: u64) {
        let (wall_us, now_us) = (now_us, self.clock.advance(now_us));
        let folded = batch.folds.iter().fold(0_u64, |sum, fold| sum.saturating_add(fold.count));
        self.stats.add_unjoinable(Unjoinable::Folded, folded);
        let endings: Vec<OutcomeWords> = batch.outcomes.iter().map(OutcomeWords::of).collect();
        let deadline = PendingRecord::tick(now_us.saturating_add(self.limits.window_us())).wrapping_add(1);
        let mut prepared = std::mem::take(&mut self.prepared);
        for chunk in batch.records.chunks(CHUNK) {
            prepared.clear();
            for record in chunk {
                let context = contexts.get(record.edge).and_then(Option::as_ref);
                let Some(endings) = endings.get(record.outcome) else { continue };
                prepared.extend(self.prepare(record, context, endings, deadline, (wall_us, now_us)));
            }
            self.match_prepared(&prepared, now_us);
        }
        self.prepared = prepared;
    }

    /// Matches packed records while the buckets of later ones are prefetched, since the table is
    /// far larger than any cache. The previous result predicts whether the next record is inserted:
    /// a batch comes from one proxy, and mostly from one side.
    fn match_prepared(&mut self, prepared: &[PackedRecord], now_us: u64) {
        let key_of = |words: &PackedRecord| words[0];
        prepared.iter().take(FAR).map(key_of).for_each(|key| self.table.prefetch(key));
        prepared.iter().take(NEAR).map(key_of).for_each(|key| self.table.prefetch_further(key, true));
        let mut inserted = true;
        for (index, words) in prepared.iter().enumerate() {
            if let Some(key) = prepared.get(index + FAR).map(key_of) {
                self.table.prefetch(key);
            }
            if let Some(key) = prepared.get(index + NEAR).map(key_of) {
                self.table.prefetch_further(key, inserted);
            }
            inserted = self.match_record(*words, now_us);
        }
    }

    /// Packs a record for the match; `None` if its result is known at once. `wall_us`: the time by the
    /// collector's clock.
    #[inline]
    fn prepare(
        &mut self,
        record: &Record,
        context: Option<&EdgeContext>,
        endings: &OutcomeWords,
        deadline: u16,
        (wall_us, now_us): (u64, u64),
    ) -> Option<PackedRecord> {
        let Some(context) = context.filter(|_| record.request_id_hash != 0) else {
            self.stats.add_unjoinable(Unjoinable::NoRequestId, 1);
            return None;
        };
        let is_source = context.side == Side::Source;
        let (outcome, not_forwarded) = match (is_source, record.attempts) {
            (true, 0) => (endings.unreached_word, true),
            (true, 1) => (endings.source_word, endings.source == Ending::NotForwarded),
            (true, _) => (endings.source_word, false),
            (false, _) => (endings.destination_word, false),
        };
        let end_us = record.start_us.saturating_add(record.duration_us);
        let words = [
            key(record.request_id_hash, context.destination),
            PendingRecord::first_word(outcome, context.edge_word, record.attempts, deadline),
            PendingRecord::second_word(end_us, record.duration_us),
            context.third_word,
        ];
        let out_of_time = is_out_of_time(record, wall_us);
        if not_forwarded || out_of_time || context.peer_not_instrumented || context.unjoinable.is_some() {
            let reason = context.unjoinable.or(out_of_time.then_some(Unjoinable::OutOfTime));
            match reason.filter(|reason| !not_forwarded || *reason != Unjoinable::NoPeer) {
                Some(reason) => self.stats.add_unjoinable(reason, 1),
                None => {
                    self.count_alone(&PendingRecord::unpack(words), now_us);
                }
            }
            return None;
        }
        Some(words)
    }
}

/// Whether a record ended too long ago, or ends too far in the future, by the collector's clock.
pub(super) fn is_out_of_time(record: &Record, now_us: u64) -> bool {
    record.start_us.saturating_add(record.duration_us).abs_diff(now_us) > AGE_US_MAX
}

/// Mixes request id hash and destination into one key, never 0. The mix is a bijection, so
/// different inputs give different keys.
pub(super) fn key(request_id_hash: u32, destination: u32) -> u64 {
    let mixed = u64::from(request_id_hash) | u64::from(destination) << 32;
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31).max(1)
}
