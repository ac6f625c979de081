//! Ticks: the unit in which durations are counted.
//!
//! In: microseconds. Out: ticks of 2^-20 s. Invariant: a longer duration has more ticks, so that a
//! comparison of ticks equals one of microseconds; a second is a whole number of octaves, so that
//! the buckets of seconds are buckets of ticks at every scale.

use super::position::LARGEST;

/// Octaves from a tick to a second.
pub(in crate::histogram) const OCTAVES_PER_SECOND: u8 = 20;

/// Ticks per microsecond, 1.048576, as a fraction: 2^14 / 5^6.
const SHIFT: u32 = 14;
const DIVISOR: u64 = 15_625;
/// Duration of [`LARGEST`] ticks: 12 days.
const LARGEST_US: u64 = (LARGEST >> SHIFT) * DIVISOR;

/// Returns the number of ticks that is nearest to a duration in microseconds, at most [`LARGEST`].
#[inline]
pub(in crate::histogram) const fn ticks(duration_us: u64) -> u64 {
    let bounded_us = if duration_us < LARGEST_US { duration_us } else { LARGEST_US };
    // The compiler replaces the division by a multiplication and a shift.
    ((bounded_us << SHIFT) + DIVISOR / 2) / DIVISOR
}

/// Ticks per microsecond, as a logarithm to base 2.
pub(in crate::histogram) fn ticks_per_us_log2() -> f64 {
    f64::from(SHIFT) - (DIVISOR as f64).log2()
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, LARGEST_US, OCTAVES_PER_SECOND, ticks};

    #[track_caller]
    fn check(duration_us: u64, expected: u64) {
        assert_eq!(ticks(duration_us), expected, "{duration_us} us");
    }

    #[test]
    fn durations_are_rounded_to_ticks() {
        check(0, 0);
        check(1, 1);
        check(11, 12);
        check(500, 524);
        check(1_000_000, 1 << OCTAVES_PER_SECOND);
        check(250_000, 1 << 18);
        check(15_625, 1 << 14);
        check(15_626, (1 << 14) + 1);
        check(LARGEST_US, LARGEST);
        check(u64::MAX, LARGEST);
        assert!((0..1 << 16).is_sorted_by(|one, other| ticks(*one) < ticks(*other)));
    }
}
