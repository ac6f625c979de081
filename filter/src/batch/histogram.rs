//! Durations as a base-2 exponential histogram of fixed scale, as OpenTelemetry defines it.
//!
//! In: durations in microseconds. Out: the histogram of the contract.
//! Invariant: `zero_count` and `counts` sum up to the number of durations. The bounds of a bucket
//! are at most a factor of 2^(1/8) apart, so that a quantile is off by at most 4.4 %. There are at
//! most 313 buckets, because durations over `DURATION_US_MAX` are counted in the last one.

use super::encode::{EncodedMessage, zigzag};

/// The scale of OpenTelemetry: eight buckets per power of two.
pub(super) const SCALE: i32 = 3;

/// The number of buckets for `1..=DURATION_US_MAX`: index -1 (exactly 1 µs) to 311.
#[cfg(test)]
const BUCKETS_MAX: usize = 313;

/// 2^39 µs, more than 6 days; longer durations are counted in the bucket of this one, and unchanged
/// in sum and maximum.
const DURATION_US_MAX: u64 = 1 << 39;

/// Lower bounds of the eight buckets of an octave as 2^(k/8), in units of 2^-32.
const OCTAVE: [u64; 8] = [
    0x1_0000_0000,
    0x1_172b_83c8,
    0x1_306f_e0a3,
    0x1_4bfd_ad53,
    0x1_6a09_e668,
    0x1_8ace_5423,
    0x1_ae89_f996,
    0x1_d581_8dcf,
];

/// A histogram that grows at both ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    sum_us: u64,
    min_us: u64,
    max_us: u64,
    zero_count: u64,
    /// Bucket index of `counts[0]`.
    offset: i32,
    counts: Vec<u64>,
}

impl Histogram {
    /// Counts one duration.
    pub fn add(&mut self, duration_us: u64) {
        let empty = self.zero_count == 0 && self.counts.is_empty();
        self.min_us = if empty { duration_us } else { self.min_us.min(duration_us) };
        self.max_us = self.max_us.max(duration_us);
        self.sum_us = self.sum_us.saturating_add(duration_us);
        match bucket(duration_us.min(DURATION_US_MAX)) {
            None => self.zero_count = self.zero_count.saturating_add(1),
            Some(index) => self.count_bucket(index),
        }
    }

    fn count_bucket(&mut self, index: i32) {
        if self.counts.is_empty() {
            self.offset = index;
        }
        while index < self.offset {
            self.counts.insert(0, 0);
            self.offset = self.offset.saturating_sub(1);
        }
        let position = usize::try_from(index.saturating_sub(self.offset)).unwrap_or(0);
        while self.counts.len() <= position {
            self.counts.push(0);
        }
        if let Some(count) = self.counts.get_mut(position) {
            *count = count.saturating_add(1);
        }
    }

    /// Encodes a `v1::DurationHistogram`.
    #[must_use]
    pub fn encode(&self) -> EncodedMessage {
        let (scale, offset) = (zigzag(i64::from(SCALE)), zigzag(i64::from(self.offset)));
        let mut message = EncodedMessage::default();
        // The fields of `v1::DurationHistogram`, in order.
        message.numbers(1, &[self.sum_us, self.min_us, self.max_us, scale, self.zero_count, offset]);
        message.packed(7, &self.counts);
        message
    }
}

/// Returns the index `i` with `2^(i/8) < value <= 2^((i+1)/8)`, or `None` for 0.
fn bucket(value: u64) -> Option<i32> {
    let octave = value.checked_ilog2()?;
    // The mantissa in [1, 2) with 62 binary digits. An exact power of two has no bound below it and
    // belongs to the last bucket of the octave before.
    let mantissa = value.checked_shl(62_u32.checked_sub(octave)?)?;
    let below = OCTAVE.partition_point(|bound| *bound << 30 < mantissa);
    let octave = i32::try_from(octave).ok()?;
    octave.checked_mul(8)?.checked_add(i32::try_from(below).ok()?)?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS_MAX, DURATION_US_MAX, Histogram, SCALE, bucket};
    use hopscope_proto::v1::DurationHistogram;
    use prost::Message;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_value_is_within_the_bounds_of_its_bucket() {
        let values = (1..2_000).chain((0..40).flat_map(|e| [(1 << e) - 1, 1 << e, (1 << e) + 1, 3 << e]));
        for value in values.filter(|value| *value > 0) {
            let index = f64::from(bucket(value).unwrap());
            let (low, high) = ((index / 8.0).exp2(), ((index + 1.0) / 8.0).exp2());
            let value = value as f64;
            assert!(
                low * (1.0 - 1e-9) < value && value <= high * (1.0 + 1e-9),
                "{value} not in ({low}, {high}]"
            );
        }
        assert_eq!(bucket(0), None);
    }

    fn wire(histogram: &Histogram) -> DurationHistogram {
        let bytes = histogram.encode().into_bytes();
        let wire = DurationHistogram::decode(bytes.as_slice()).unwrap();
        assert_eq!((wire.encode_to_vec(), wire.scale), (bytes, SCALE));
        wire
    }

    #[track_caller]
    fn check(durations_us: &[u64], expected: &str) {
        let mut histogram = Histogram::default();
        for duration_us in durations_us {
            histogram.add(*duration_us);
        }
        let wire = wire(&histogram);
        let counted: u64 = wire.counts.iter().sum::<u64>() + wire.zero_count;
        assert_eq!(counted, durations_us.len() as u64);
        let text = format!(
            "sum={} min={} max={} zero={} offset={} counts={:?}",
            wire.sum_us, wire.min_us, wire.max_us, wire.zero_count, wire.offset, wire.counts
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn the_histogram_grows_at_both_ends() {
        check(&[], "sum=0 min=0 max=0 zero=0 offset=0 counts=[]");
        check(&[0], "sum=0 min=0 max=0 zero=1 offset=0 counts=[]");
        check(&[2, 1, 2], "sum=5 min=1 max=2 zero=0 offset=-1 counts=[1, 0, 0, 0, 0, 0, 0, 0, 2]");
        check(&[3, 0, 3], "sum=6 min=0 max=3 zero=1 offset=12 counts=[2]");
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let mut histogram = Histogram::default();
        for duration_us in [0, 1, DURATION_US_MAX, u64::MAX] {
            histogram.add(duration_us);
        }
        let wire = wire(&histogram);
        assert!(wire.counts.len() <= BUCKETS_MAX);
        assert_eq!(wire.max_us, u64::MAX);
    }
}
