//! Clock skew between pairs of proxies.
//!
//! In: hops with both records. A destination begins after its source and ends before it, so each
//! hop gives a lower and an upper bound of the skew. Out: the skew that most of the last hops
//! allow.
//! Invariant: a few wrong bounds do not change the result (Marzullo's algorithm, as in NTP's clock
//! selection). Without consensus the skew is 0. At most [`PAIRS`] pairs are stored; a new pair
//! replaces an old one with the same slot.

use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer, snapshot};

/// Number of proxy pairs.
pub(super) const PAIRS: usize = 8_192;
/// Number of recent hops per pair.
const HOPS: usize = 8;
/// Number of hops that must agree.
const CONSENSUS_MIN: usize = 3;

/// Lower and upper bound of the skew, in microseconds.
type Bounds = (i32, i32);

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Numbers of both proxies; 0 for an empty slot, since proxy 0 stands for none.
    pair: u64,
    next: usize,
    known: usize,
    hops: [Bounds; HOPS],
}

snapshot!(struct Slot { pair, next, known, hops });

/// Bounds of the recent hops of all pairs.
#[derive(Debug)]
pub(super) struct ClockSkews {
    slots: Vec<Slot>,
}

impl ClockSkews {
    pub(super) fn new() -> Self {
        Self { slots: vec![Slot::default(); PAIRS] }
    }

    /// Adds a hop that bounds by how much the destination's clock is ahead of the source's: at
    /// least `low_us`, at most `high_us`.
    pub(super) fn add_bounds(&mut self, source: u32, destination: u32, low_us: i64, high_us: i64) {
        let (Ok(low), Ok(high)) = (i32::try_from(low_us), i32::try_from(high_us)) else { return };
        if low > high || source == 0 || destination == 0 {
            return;
        }
        let pair = pair(source, destination);
        let Some(slot) = self.slots.get_mut(slot_index(pair)) else { return };
        if slot.pair != pair {
            *slot = Slot { pair, ..Slot::default() };
        }
        if let Some(hop) = slot.hops.get_mut(slot.next) {
            *hop = (low, high);
        }
        slot.next = (slot.next + 1) % HOPS;
        slot.known = (slot.known + 1).min(HOPS);
    }

    /// Returns by how much the destination's clock is ahead of the source's, in microseconds.
    pub(super) fn skew_us(&self, source: u32, destination: u32) -> i64 {
        let pair = pair(source, destination);
        let slot = self.slots.get(slot_index(pair)).filter(|slot| slot.pair == pair);
        slot.map_or(0, |slot| consensus(slot.hops.get(..slot.known).unwrap_or_default()))
    }

    /// Returns the number of pairs, and their largest skew in microseconds.
    pub(super) fn summary(&self) -> (usize, u64) {
        let known = self.slots.iter().filter(|slot| slot.pair != 0);
        let differences =
            known.map(|slot| consensus(slot.hops.get(..slot.known).unwrap_or_default()).unsigned_abs());
        differences.fold((0, 0), |(pairs, most), difference| (pairs + 1, most.max(difference)))
    }
}

impl SnapshotState for ClockSkews {
    fn save(&self, to: &mut Writer) {
        let known = || self.slots.iter().filter(|slot| slot.pair != 0);
        known().count().save(to);
        known().for_each(|slot| slot.save(to));
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        for _ in 0..from.count()? {
            let slot = Slot::load(from)?;
            if slot.next >= HOPS || slot.known > HOPS {
                return Err(from.broken("a clock pair has too many hops"));
            }
            if let Some(free) = self.slots.get_mut(slot_index(slot.pair)) {
                *free = slot;
            }
        }
        Ok(())
    }
}

/// Returns the skew that most bounds allow: 0 if they allow it, else the middle of the range that
/// they allow.
fn consensus(hops: &[Bounds]) -> i64 {
    let mut marks = [(0_i32, 0_i32); HOPS * 2];
    let mut count = 0;
    for (low, high) in hops {
        // Ranges include their bounds, so at equal values a range opens before another one closes.
        for mark in [(*low, -1), (*high, 1)] {
            if let Some(free) = marks.get_mut(count) {
                *free = mark;
                count += 1;
            }
        }
    }
    let marks = marks.get_mut(..count).unwrap_or_default();
    marks.sort_unstable();
    let (mut open, mut most, mut best) = (0_i32, 0_i32, (0, 0));
    for (index, (at, kind)) in marks.iter().enumerate() {
        open -= kind;
        if open > most {
            let end = marks.get(index + 1).map_or(*at, |(end, _)| *end);
            (most, best) = (open, (*at, end));
        }
    }
    let enough = usize::try_from(most).is_ok_and(|most| most >= CONSENSUS_MIN && most * 2 > hops.len());
    if !enough || (best.0 <= 0 && best.1 >= 0) { 0 } else { i64::midpoint(best.0.into(), best.1.into()) }
}

fn pair(source: u32, destination: u32) -> u64 {
    u64::from(source) << 32 | u64::from(destination)
}

#[expect(clippy::cast_possible_truncation, reason = "13 bits are left")]
fn slot_index(pair: u64) -> usize {
    (pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PAIRS.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::{ClockSkews, consensus};

    #[test]
    fn skew_is_the_consensus_of_most_bounds() {
        assert_eq!(consensus(&[]), 0);
        assert_eq!(consensus(&[(90, 110), (95, 105)]), 0, "too few");
        assert_eq!(consensus(&[(90, 110), (95, 105), (80, 101)]), 98);
        assert_eq!(consensus(&[(90, 110), (95, 105), (80, 101), (-900, -800)]), 98, "an outlier");
        assert_eq!(consensus(&[(-5, 3), (-1, 9), (-2, 4)]), 0, "bounds allow equal clocks");
        assert_eq!(consensus(&[(5, 6), (15, 16), (25, 26), (35, 36)]), 0, "no agreement");
    }

    #[test]
    fn pairs_have_separate_skews() {
        let mut skews = ClockSkews::new();
        for _ in 0..3 {
            skews.add_bounds(1, 2, 4_900, 5_100);
            skews.add_bounds(2, 1, -5_100, -4_900);
            skews.add_bounds(0, 2, 7, 7);
        }
        assert_eq!([skews.skew_us(1, 2), skews.skew_us(2, 1), skews.skew_us(0, 2)], [5_000, -5_000, 0]);
        assert_eq!(skews.summary(), (2, 5_000));
    }
}
