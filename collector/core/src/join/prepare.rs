//! Records on their way to those that wait.
//!
//! In: the records of a batch. Out: those whose fate is known at once are counted; the others meet who waits for them. Always
//! holds: what a record will look at is on its way into the cache before it does.

use super::edge_context::Line;
use super::ending::{Answer, Ending};
use super::packed_record::{Half, Words};
use super::stats::Unjoinable;
use super::{Join, Side};
use crate::batch::{Batch, Outcome, Record};

/// So many records are prepared together; they fit the first cache.
const AHEAD: usize = 256;
/// So many records before one its bucket is fetched, and so many before it what else that names: as many as a processor has reads
/// under way, and a third of that.
const FAR: usize = 24;
const NEAR: usize = 8;
/// A record that ended so long ago, or lies so far ahead, is not joined: within it times are told apart.
const AGE_US_MAX: u64 = 3_600 * 1_000_000;

/// An outcome as both sides would see it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    source: Ending,
    /// What it gives to the first word of a [`Half`], by side.
    source_word: u64,
    destination_word: u64,
    /// The same for a caller whose request never reached the router: its own proxy answered.
    unreached_word: u64,
}

impl Seen {
    fn of(outcome: &Outcome) -> Self {
        let answer = Answer::of(outcome);
        let source = Ending::of(outcome, Side::Source);
        Self {
            source,
            source_word: Half::outcome_word(source, answer),
            destination_word: Half::outcome_word(Ending::of(outcome, Side::Destination), answer),
            unreached_word: Half::outcome_word(Ending::NotForwarded, answer),
        }
    }
}

impl Join {
    pub(super) fn meet_all(&mut self, batch: &Batch, lines: &[Option<Line>], now_us: u64) {
        let folded = batch.folds.iter().fold(0_u64, |sum, fold| sum.saturating_add(fold.count));
        self.stats.refuse(Unjoinable::Folded, folded);
        let seen: Vec<Seen> = batch.outcomes.iter().map(Seen::of).collect();
        let deadline = Half::tick(now_us.saturating_add(self.limits.window_us())).wrapping_add(1);
        let mut coming = std::mem::take(&mut self.coming);
        for chunk in batch.records.chunks(AHEAD) {
            coming.clear();
            for record in chunk {
                let line = lines.get(record.edge).and_then(Option::as_ref);
                let Some(seen) = seen.get(record.outcome) else { continue };
                coming.extend(self.half(record, line, seen, deadline, now_us));
            }
            self.meet_coming(&coming, now_us);
        }
        self.coming = coming;
    }

    /// Each finds its bucket fetched: the table is far larger than any cache, and one after the other they would wait for it.
    /// Whether one stayed foretells whether the next will: a batch is of one proxy, and mostly of one side.
    fn meet_coming(&mut self, coming: &[Words], now_us: u64) {
        let key_of = |words: &Words| words[0];
        coming.iter().take(FAR).map(key_of).for_each(|key| self.table.prefetch(key));
        coming.iter().take(NEAR).map(key_of).for_each(|key| self.table.prefetch_further(key, true));
        let mut stays = true;
        for (place, words) in coming.iter().enumerate() {
            if let Some(key) = coming.get(place + FAR).map(key_of) {
                self.table.prefetch(key);
            }
            if let Some(key) = coming.get(place + NEAR).map(key_of) {
                self.table.prefetch_further(key, stays);
            }
            stays = self.meet(*words, now_us);
        }
    }

    /// A record that is to wait; `None` when its fate is known at once.
    #[inline]
    fn half(
        &mut self,
        record: &Record,
        line: Option<&Line>,
        seen: &Seen,
        deadline: u16,
        now_us: u64,
    ) -> Option<Words> {
        let Some(line) = line.filter(|_| record.request_id_hash != 0) else {
            self.stats.refuse(Unjoinable::NoRequestId, 1);
            return None;
        };
        let is_source = line.side == Side::Source;
        let (outcome, not_forwarded) = match (is_source, record.attempts) {
            (true, 0) => (seen.unreached_word, true),
            (true, 1) => (seen.source_word, seen.source == Ending::NotForwarded),
            (true, _) => (seen.source_word, false),
            (false, _) => (seen.destination_word, false),
        };
        let end_us = record.start_us.saturating_add(record.duration_us);
        let words = [
            key(record.request_id_hash, line.called),
            Half::first_word(outcome, line.edge_word, record.attempts, deadline),
            Half::second_word(end_us, record.duration_us),
            line.third_word,
        ];
        let out_of_time = is_out_of_time(record, now_us);
        if not_forwarded || out_of_time || line.peer_not_instrumented || line.unjoinable.is_some() {
            let reason = line.unjoinable.or(out_of_time.then_some(Unjoinable::OutOfTime));
            match reason.filter(|reason| !not_forwarded || *reason != Unjoinable::NoPeer) {
                Some(reason) => self.stats.refuse(reason, 1),
                None => self.alone(&Half::unpack(words), now_us),
            }
            return None;
        }
        Some(words)
    }
}

/// Whether a record ended too long ago, or too far in the future.
pub(super) fn is_out_of_time(record: &Record, now_us: u64) -> bool {
    record.start_us.saturating_add(record.duration_us).abs_diff(now_us) > AGE_US_MAX
}

/// Request and called end in one number, never 0; what is different stays different.
pub(super) fn key(request_id_hash: u32, called: u32) -> u64 {
    let mixed = u64::from(request_id_hash) | u64::from(called) << 32;
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31).max(1)
}
