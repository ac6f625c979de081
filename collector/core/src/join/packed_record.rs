//! One pending record in 32 bytes.
//!
//! In: the fields of a record. Out: four words, and back.
//! Invariant: unpacking returns the packed values, within the ranges stated at the fields.

use super::Side;
use super::ending::{Ending, Response};

/// Edge numbers have 24 bits; the last one stands for the overflow edges.
pub(super) const EDGES_MAX: usize = (1 << 24) - 1;
/// Proxy numbers have 20 bits; 0 stands for no proxy.
pub(super) const PROXIES_MAX: usize = 1 << 20;
/// Unit of end times in microseconds: 32 bits span 19 hours.
const END_STEP_US: u64 = 16;
/// Unit of deadlines in microseconds: 16 bits span 2 hours.
pub(super) const TICK_US: u64 = 1 << 17;
/// Longest duration; longer requests are stored as this, and have no gap.
pub(super) const DURATION_US_MAX: u32 = u32::MAX;

/// Parts of the match window, the unit of [`PendingRecord::advanced`].
pub(super) const PARTS: u16 = 7;
/// Marks a deadline that was advanced and restored, and is not advanced again.
const RESTORED: u8 = 8;

/// Bits of [`PendingRecord::advanced`] in the first word.
const ADVANCED: u64 = 0xf << 19;

/// A packed [`PendingRecord`]: key, fields for the search, times, reporter.
pub(super) type PackedRecord = [u64; 4];

/// A record that waits for the record of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PendingRecord {
    /// Mixed request id hash and destination; never 0.
    pub(super) key: u64,
    pub(super) side: Side,
    pub(super) ending: Ending,
    pub(super) response: Response,
    /// Source side: number of attempts. Destination side: number of this attempt. 0 for unknown,
    /// 255 for 255 or more.
    pub(super) attempts: u8,
    /// Tag of the source; 0 if the destination's proxy could not identify it.
    pub(super) source_tag: u16,
    /// Time at which the record is resolved, in [`TICK_US`], wrapped.
    pub(super) deadline: u16,
    /// Parts of the match window, of [`PARTS`], by which the deadline was advanced; 0 for a deadline
    /// that was never advanced, [`RESTORED`] for one that was advanced and restored.
    pub(super) advanced: u8,
    /// End of the request by the proxy's clock, in [`END_STEP_US`], wrapped.
    pub(super) end: u32,
    /// Duration, at most [`DURATION_US_MAX`].
    pub(super) duration_us: u32,
    /// Number of the edge that counts the hop; 24 bits.
    pub(super) edge: u32,
    /// Reporting proxy; 20 bits.
    pub(super) own: u32,
    /// Peer proxy, if its address identifies it; 20 bits.
    pub(super) peer: u32,
}

impl PendingRecord {
    /// Converts an end time to steps.
    #[expect(clippy::cast_possible_truncation, reason = "wrapped on purpose")]
    pub(super) fn end_step(end_us: u64) -> u32 {
        (end_us / END_STEP_US) as u32
    }

    /// Returns the end of the request by the proxy's clock, microseconds since the Unix epoch;
    /// `now_us` is at most nine hours away.
    pub(super) fn end_us(&self, now_us: u64) -> u64 {
        let ago = i64::from(Self::end_step(now_us).wrapping_sub(self.end).cast_signed());
        now_us.saturating_add_signed(-ago * END_STEP_US.cast_signed())
    }

    /// Converts a time to ticks.
    #[expect(clippy::cast_possible_truncation, reason = "wrapped on purpose")]
    pub(super) fn tick(time_us: u64) -> u16 {
        (time_us / TICK_US) as u16
    }

    /// Returns by how much this record ended later than another, in microseconds of their own
    /// clocks.
    pub(super) fn ended_after_us(&self, other: &Self) -> i64 {
        i64::from(self.end.wrapping_sub(other.end).cast_signed()) * END_STEP_US.cast_signed()
    }

    /// Returns by how much this record began later than another, in microseconds of their own
    /// clocks.
    pub(super) fn began_after_us(&self, other: &Self) -> i64 {
        self.ended_after_us(other) + i64::from(other.duration_us) - i64::from(self.duration_us)
    }

    /// Whether a deadline has passed.
    pub(super) fn is_due(deadline: u16, now: u16) -> bool {
        now.wrapping_sub(deadline).cast_signed() >= 0
    }

    /// Whether the deadline was advanced, and not restored.
    pub(super) fn is_advanced(&self) -> bool {
        (1..RESTORED).contains(&self.advanced)
    }

    /// Whether this record and a source tag may mean the same source.
    pub(super) fn may_be_from(&self, source_tag: u16) -> bool {
        self.source_tag == source_tag || self.source_tag == 0 || source_tag == 0
    }

    #[inline]
    pub(super) fn pack(&self) -> PackedRecord {
        let outcome = Self::outcome_word(self.ending, self.response);
        let edge = Self::edge_word(self.side, self.source_tag);
        let first = Self::first_word(outcome, edge, self.attempts.into(), self.deadline);
        let first = first | u64::from(self.advanced & 0xf) << 19;
        let second = u64::from(self.end) | u64::from(self.duration_us) << 32;
        let third = Self::third_word(self.edge, self.own, self.peer);
        [self.key, first, second, third]
    }

    #[expect(clippy::cast_possible_truncation, reason = "each field is cut out of its word")]
    #[inline]
    pub(super) fn unpack([key, first, second, third]: PackedRecord) -> Self {
        Self {
            key,
            side: if first >> 23 & 1 == 1 { Side::Destination } else { Side::Source },
            ending: Ending::from_number((first >> 16) as u8 & 0x7),
            response: Response(first as u16),
            attempts: (first >> 24) as u8,
            source_tag: (first >> 32) as u16,
            deadline: (first >> 48) as u16,
            advanced: (first >> 19) as u8 & 0xf,
            end: second as u32,
            duration_us: (second >> 32) as u32,
            edge: third as u32 & 0xff_ffff,
            own: (third >> 24) as u32 & 0xf_ffff,
            peer: (third >> 44) as u32,
        }
    }

    /// Bits of the first word that depend on the outcome.
    pub(super) fn outcome_word(ending: Ending, response: Response) -> u64 {
        u64::from(response.0) | u64::from(ending.number()) << 16
    }

    /// Bits of the first word that depend on the edge.
    pub(super) fn edge_word(side: Side, source_tag: u16) -> u64 {
        u64::from(side == Side::Destination) << 23 | u64::from(source_tag) << 32
    }

    /// The first word: bits of outcome and edge, attempt, deadline.
    pub(super) fn first_word(outcome: u64, edge: u64, attempts: u32, deadline: u16) -> u64 {
        outcome | edge | u64::from(attempts.min(255)) << 24 | u64::from(deadline) << 48
    }

    /// The second word: end and duration.
    pub(super) fn second_word(end_us: u64, duration_us: u64) -> u64 {
        u64::from(Self::end_step(end_us)) | duration_us.min(DURATION_US_MAX.into()) << 32
    }

    /// The third word: edge and proxies.
    pub(super) fn third_word(edge: u32, own: u32, peer: u32) -> u64 {
        u64::from(edge) | u64::from(own) << 24 | u64::from(peer) << 44
    }

    /// Deadline in the first word.
    pub(super) fn deadline_of(first: u64) -> u16 {
        (first >> 48) as u16
    }

    /// Advances the deadline in the first word, unless it is earlier already or was advanced
    /// before. `window`: the match window in ticks.
    pub(super) fn with_advanced(first: u64, deadline: u16, window: u16) -> u64 {
        let left = Self::deadline_of(first).wrapping_sub(deadline);
        if first & ADVANCED != 0 || left.cast_signed() < 0 {
            return first;
        }
        let parts = (u64::from(left) * u64::from(PARTS)).div_ceil(window.max(1).into());
        Self::with_deadline(first, deadline) | parts.clamp(1, PARTS.into()) << 19
    }

    /// Restores an advanced deadline in the first word, at most one part of the window later than
    /// it was.
    pub(super) fn with_restored(first: u64, window: u16) -> u64 {
        let parts = (first & ADVANCED) >> 19;
        let later = (parts.min(PARTS.into()) * u64::from(window)).div_ceil(PARTS.into());
        let deadline = Self::deadline_of(first).wrapping_add(u16::try_from(later).unwrap_or(window));
        Self::with_deadline(first & !ADVANCED, deadline) | u64::from(RESTORED) << 19
    }

    fn with_deadline(first: u64, deadline: u16) -> u64 {
        first & 0xffff_ffff_ffff | u64::from(deadline) << 48
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn unpacking_inverts_packing(
            (key, destination, ending, response) in (1..u64::MAX, any::<bool>(), 0..7_u8, any::<u16>()),
            (attempts, source_tag, deadline, end) in any::<(u8, u16, u16, u32)>(),
            (duration_us, advanced) in (any::<u32>(), 0..9_u8),
            (edge, own, peer) in (0..1_u32 << 24, 0..1_u32 << 20, 0..1_u32 << 20),
        ) {
            let side = if destination { Side::Destination } else { Side::Source };
            let (ending, response) = (Ending::from_number(ending), Response(response));
            let record = PendingRecord {
                key, side, ending, response, attempts, source_tag, deadline, advanced, end, duration_us, edge, own,
                peer,
            };
            prop_assert_eq!(PendingRecord::unpack(record.pack()), record);
            let [_, first, ..] = record.pack();
            prop_assert_eq!(PendingRecord::deadline_of(first), deadline);
            let first = PendingRecord::with_deadline(first, 7);
            let [_, _, second, third] = record.pack();
            prop_assert_eq!(
                PendingRecord::unpack([key, first, second, third]),
                PendingRecord { deadline: 7, ..record }
            );
        }
    }

    /// Checks deadline and parts after an advance, and the deadline after its restoration.
    #[track_caller]
    fn check_advance(deadline: u16, soon: u16, expected: (u16, u8, u16)) {
        const WINDOW: u16 = 114;
        let record = |first| PendingRecord::unpack([1, first, 0, 0]);
        let first = PendingRecord::first_word(0, 0, 1, deadline);
        let advanced = PendingRecord::with_advanced(first, soon, WINDOW);
        let restored = PendingRecord::with_restored(advanced, WINDOW);
        let (one, two) = (record(advanced), record(restored));
        assert_eq!((one.deadline, one.advanced, two.deadline), expected);
        assert_eq!((one.is_advanced(), two.is_advanced()), (one.advanced > 0, false));
        assert_eq!(PendingRecord::with_advanced(restored, 0, WINDOW), restored, "advanced once");
    }

    #[test]
    fn an_advanced_deadline_is_restored_to_the_same_time_or_one_part_later() {
        check_advance(1_000, 990, (990, 1, 1_007));
        check_advance(1_000, 886, (886, 7, 1_000));
        check_advance(1_000, 950, (950, 4, 1_016));
        check_advance(1_000, 1_001, (1_000, 0, 1_000));
        check_advance(5, u16::MAX, (u16::MAX, 1, 16));
    }

    #[test]
    fn times_are_compared_across_the_wrap() {
        let record = |end_us: u64, duration_us| PendingRecord {
            end: PendingRecord::end_step(end_us),
            duration_us,
            ..PendingRecord::unpack([1, 0, 0, 0])
        };
        let wrap_us = (1_u64 << 32) * 16;
        let (early, late) = (record(wrap_us - 160, 1_000), record(wrap_us + 320, 100));
        assert_eq!((late.ended_after_us(&early), early.ended_after_us(&late)), (480, -480));
        assert_eq!(late.began_after_us(&early), 1_380);
        assert_eq!((early.end_us(wrap_us), late.end_us(wrap_us)), (wrap_us - 160, wrap_us + 320));
        assert!(
            PendingRecord::is_due(u16::MAX, 3)
                && !PendingRecord::is_due(3, u16::MAX)
                && PendingRecord::is_due(3, 3)
        );
    }
}
