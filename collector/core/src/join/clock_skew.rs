//! How far the clocks of two proxies are apart.
//!
//! In: hops that both sides told of. A called side begins after its caller and ends before it, so each hop bounds the
//! difference of the two clocks from both sides. Out: the difference that most of the last hops agree on. Always holds: a
//! few wrong bounds change nothing (Marzullo's algorithm, as NTP selects its clocks); without agreement the clocks count as
//! equal; at most [`PAIRS`] pairs are known, and a new one takes the place of an old one.

/// Pairs of proxies that are remembered.
pub(super) const PAIRS: usize = 8_192;
/// Hops of each pair that are remembered.
const HOPS: usize = 8;
/// So many of them must agree.
const AGREED_MIN: usize = 3;

/// Lower and upper bound of the difference, microseconds.
type Bounds = (i32, i32);

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Numbers of the two proxies; 0 for an empty slot, since proxy 0 is nobody.
    pair: u64,
    next: usize,
    known: usize,
    hops: [Bounds; HOPS],
}

/// All pairs.
#[derive(Debug)]
pub(super) struct Skews {
    slots: Vec<Slot>,
}

impl Skews {
    pub(super) fn new() -> Self {
        Self { slots: vec![Slot::default(); PAIRS] }
    }

    /// Notes that the called proxy's clock is at least `low_us` and at most `high_us` ahead of the caller's.
    pub(super) fn note(&mut self, source: u32, destination: u32, low_us: i64, high_us: i64) {
        let (Ok(low), Ok(high)) = (i32::try_from(low_us), i32::try_from(high_us)) else { return };
        if low > high || source == 0 || destination == 0 {
            return;
        }
        let pair = pair(source, destination);
        let Some(slot) = self.slots.get_mut(place(pair)) else { return };
        if slot.pair != pair {
            *slot = Slot { pair, ..Slot::default() };
        }
        if let Some(hop) = slot.hops.get_mut(slot.next) {
            *hop = (low, high);
        }
        slot.next = (slot.next + 1) % HOPS;
        slot.known = (slot.known + 1).min(HOPS);
    }

    /// How far the called proxy's clock is ahead of the caller's, microseconds.
    pub(super) fn ahead_us(&self, source: u32, destination: u32) -> i64 {
        let pair = pair(source, destination);
        let slot = self.slots.get(place(pair)).filter(|slot| slot.pair == pair);
        slot.map_or(0, |slot| agreed(slot.hops.get(..slot.known).unwrap_or_default()))
    }

    /// Pairs that are known, and the largest difference among them, microseconds.
    pub(super) fn summary(&self) -> (usize, u64) {
        let known = self.slots.iter().filter(|slot| slot.pair != 0);
        let differences =
            known.map(|slot| agreed(slot.hops.get(..slot.known).unwrap_or_default()).unsigned_abs());
        differences.fold((0, 0), |(pairs, most), difference| (pairs + 1, most.max(difference)))
    }
}

/// The difference that most bounds allow: 0 where they allow it, else the middle of what they allow.
fn agreed(hops: &[Bounds]) -> i64 {
    let mut marks = [(0_i32, 0_i32); HOPS * 2];
    let mut count = 0;
    for (low, high) in hops {
        // At one point a bound that opens stands before one that closes, since bounds belong to their range.
        for mark in [(*low, -1), (*high, 1)] {
            if let Some(place) = marks.get_mut(count) {
                *place = mark;
                count += 1;
            }
        }
    }
    let marks = marks.get_mut(..count).unwrap_or_default();
    marks.sort_unstable();
    let (mut open, mut most, mut best) = (0_i32, 0_i32, (0, 0));
    for (place, (at, kind)) in marks.iter().enumerate() {
        open -= kind;
        if open > most {
            let end = marks.get(place + 1).map_or(*at, |(end, _)| *end);
            (most, best) = (open, (*at, end));
        }
    }
    let enough = usize::try_from(most).is_ok_and(|most| most >= AGREED_MIN && most * 2 > hops.len());
    if !enough || (best.0 <= 0 && best.1 >= 0) { 0 } else { i64::midpoint(best.0.into(), best.1.into()) }
}

fn pair(source: u32, destination: u32) -> u64 {
    u64::from(source) << 32 | u64::from(destination)
}

#[expect(clippy::cast_possible_truncation, reason = "13 bits are left")]
fn place(pair: u64) -> usize {
    (pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PAIRS.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::{Skews, agreed};

    #[test]
    fn most_bounds_decide() {
        assert_eq!(agreed(&[]), 0);
        assert_eq!(agreed(&[(90, 110), (95, 105)]), 0, "too few");
        assert_eq!(agreed(&[(90, 110), (95, 105), (80, 101)]), 98);
        assert_eq!(agreed(&[(90, 110), (95, 105), (80, 101), (-900, -800)]), 98, "an outlier");
        assert_eq!(agreed(&[(-5, 3), (-1, 9), (-2, 4)]), 0, "they allow equal clocks");
        assert_eq!(agreed(&[(5, 6), (15, 16), (25, 26), (35, 36)]), 0, "no agreement");
    }

    #[test]
    fn pairs_are_kept_apart() {
        let mut skews = Skews::new();
        for _ in 0..3 {
            skews.note(1, 2, 4_900, 5_100);
            skews.note(2, 1, -5_100, -4_900);
            skews.note(0, 2, 7, 7);
        }
        assert_eq!([skews.ahead_us(1, 2), skews.ahead_us(2, 1), skews.ahead_us(0, 2)], [5_000, -5_000, 0]);
        assert_eq!(skews.summary(), (2, 5_000));
    }
}
