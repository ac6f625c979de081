//! One record that waits for its other side, in 32 bytes.
//!
//! In: what a record says. Out: four words, and back. Always holds: what is packed comes out as it went in, within the
//! ranges that stand at the fields.

use super::Side;
use super::ending::{Answer, Ending};

/// Edges have 24 bits; the last place is that of the edges that found no room.
pub(super) const EDGES_MAX: usize = (1 << 24) - 1;
/// Proxies have 20 bits; 0 is nobody.
pub(super) const PROXIES_MAX: usize = 1 << 20;
/// Ends of records are kept in steps of so many microseconds: 32 bits of them span 19 hours.
const END_STEP_US: u64 = 16;
/// Deadlines are kept in steps of so many microseconds: 16 bits of them span 2 hours.
pub(super) const TICK_US: u64 = 1 << 17;
/// Longer requests are kept as so long, and their gap is not measured.
pub(super) const DURATION_US_MAX: u32 = u32::MAX;

/// A packed [`Half`]: its key, what a search compares, its times, and who tells it.
pub(super) type Words = [u64; 4];

/// Half a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Half {
    /// Request id and called end, mixed; never 0.
    pub(super) key: u64,
    pub(super) side: Side,
    pub(super) ending: Ending,
    pub(super) answer: Answer,
    /// Of a source how many it made, of a destination which one it is; 0 not known, 255 that or more.
    pub(super) attempts: u8,
    /// A number that stands for the caller; 0 when a destination could not name it.
    pub(super) caller: u16,
    /// When it is judged without further waiting, in [`TICK_US`], wrapped.
    pub(super) deadline: u16,
    /// When the request ended by its proxy's clock, in [`END_STEP_US`], wrapped.
    pub(super) end: u32,
    /// At most [`DURATION_US_MAX`].
    pub(super) duration_us: u32,
    /// Under which labels it is counted; 24 bits.
    pub(super) edge: u32,
    /// Which proxy told it; 20 bits.
    pub(super) own: u32,
    /// Which proxy the other side is, as far as its address tells; 20 bits.
    pub(super) peer: u32,
}

impl Half {
    /// An end in steps.
    #[expect(clippy::cast_possible_truncation, reason = "wrapped on purpose")]
    pub(super) fn end_step(end_us: u64) -> u32 {
        (end_us / END_STEP_US) as u32
    }

    /// A time in ticks.
    #[expect(clippy::cast_possible_truncation, reason = "wrapped on purpose")]
    pub(super) fn tick(time_us: u64) -> u16 {
        (time_us / TICK_US) as u16
    }

    /// How much later this one ended than another, by their own clocks, microseconds.
    pub(super) fn ended_after_us(&self, other: &Self) -> i64 {
        i64::from(self.end.wrapping_sub(other.end).cast_signed()) * END_STEP_US.cast_signed()
    }

    /// How much later this one began than another, by their own clocks, microseconds.
    pub(super) fn began_after_us(&self, other: &Self) -> i64 {
        self.ended_after_us(other) + i64::from(other.duration_us) - i64::from(self.duration_us)
    }

    /// Whether its deadline has passed.
    pub(super) fn is_due(deadline: u16, now: u16) -> bool {
        now.wrapping_sub(deadline).cast_signed() >= 0
    }

    /// Whether both may be told of the same caller.
    pub(super) fn may_be_of(&self, caller: u16) -> bool {
        self.caller == caller || self.caller == 0 || caller == 0
    }

    #[inline]
    pub(super) fn pack(&self) -> Words {
        let outcome = Self::outcome_word(self.ending, self.answer);
        let edge = Self::edge_word(self.side, self.caller);
        let first = Self::first_word(outcome, edge, self.attempts.into(), self.deadline);
        let second = u64::from(self.end) | u64::from(self.duration_us) << 32;
        let third = Self::third_word(self.edge, self.own, self.peer);
        [self.key, first, second, third]
    }

    #[expect(clippy::cast_possible_truncation, reason = "each field is cut out of its word")]
    #[inline]
    pub(super) fn unpack([key, first, second, third]: Words) -> Self {
        Self {
            key,
            side: if first >> 23 & 1 == 1 { Side::Destination } else { Side::Source },
            ending: Ending::from_number((first >> 16) as u8 & 0x7f),
            answer: Answer(first as u16),
            attempts: (first >> 24) as u8,
            caller: (first >> 32) as u16,
            deadline: (first >> 48) as u16,
            end: second as u32,
            duration_us: (second >> 32) as u32,
            edge: third as u32 & 0xff_ffff,
            own: (third >> 24) as u32 & 0xf_ffff,
            peer: (third >> 44) as u32,
        }
    }

    /// The part of the first word that an outcome gives.
    pub(super) fn outcome_word(ending: Ending, answer: Answer) -> u64 {
        u64::from(answer.0) | u64::from(ending.number()) << 16
    }

    /// The part of the first word that an edge gives.
    pub(super) fn edge_word(side: Side, caller: u16) -> u64 {
        u64::from(side == Side::Destination) << 23 | u64::from(caller) << 32
    }

    /// The first word: what outcome and edge give, an attempt, and a deadline.
    pub(super) fn first_word(outcome: u64, edge: u64, attempts: u32, deadline: u16) -> u64 {
        outcome | edge | u64::from(attempts.min(255)) << 24 | u64::from(deadline) << 48
    }

    /// The second word: when it ended, and how long it took.
    pub(super) fn second_word(end_us: u64, duration_us: u64) -> u64 {
        u64::from(Self::end_step(end_us)) | duration_us.min(DURATION_US_MAX.into()) << 32
    }

    /// The third word: who tells it.
    pub(super) fn third_word(edge: u32, own: u32, peer: u32) -> u64 {
        u64::from(edge) | u64::from(own) << 24 | u64::from(peer) << 44
    }

    /// The deadline within the first word.
    pub(super) fn deadline_of(first: u64) -> u16 {
        (first >> 48) as u16
    }

    /// The first word with another deadline.
    pub(super) fn with_deadline(first: u64, deadline: u16) -> u64 {
        first & 0xffff_ffff_ffff | u64::from(deadline) << 48
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_out(
            (key, destination, ending, answer) in (1..u64::MAX, any::<bool>(), 0..7_u8, any::<u16>()),
            (attempts, caller, deadline, end) in any::<(u8, u16, u16, u32)>(),
            duration_us in any::<u32>(),
            (edge, own, peer) in (0..1_u32 << 24, 0..1_u32 << 20, 0..1_u32 << 20),
        ) {
            let side = if destination { Side::Destination } else { Side::Source };
            let (ending, answer) = (Ending::from_number(ending), Answer(answer));
            let half = Half {
                key, side, ending, answer, attempts, caller, deadline, end, duration_us, edge, own, peer,
            };
            prop_assert_eq!(Half::unpack(half.pack()), half);
            let [_, first, ..] = half.pack();
            prop_assert_eq!(Half::deadline_of(first), deadline);
            let first = Half::with_deadline(first, 7);
            prop_assert_eq!(Half::unpack([key, first, half.pack()[2], half.pack()[3]]), Half { deadline: 7, ..half });
        }
    }

    #[test]
    fn times_are_compared_across_the_wrap() {
        let half = |end_us: u64, duration_us| Half {
            end: Half::end_step(end_us),
            duration_us,
            ..Half::unpack([1, 0, 0, 0])
        };
        let wrap_us = (1_u64 << 32) * 16;
        let (early, late) = (half(wrap_us - 160, 1_000), half(wrap_us + 320, 100));
        assert_eq!((late.ended_after_us(&early), early.ended_after_us(&late)), (480, -480));
        assert_eq!(late.began_after_us(&early), 1_380);
        assert!(Half::is_due(u16::MAX, 3) && !Half::is_due(3, u16::MAX) && Half::is_due(3, 3));
    }
}
