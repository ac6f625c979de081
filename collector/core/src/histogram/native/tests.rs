use super::Native;
use crate::histogram::durations::Durations;
use crate::histogram::{FoldedDurations, RequestStats, RequestValues};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Compares the native histogram of durations in microseconds: schema, zeros, and for each
/// bucket its index, upper bound in milliseconds and count.
#[track_caller]
fn check(durations: &[u64], expected: &str) {
    let mut all = Durations::default();
    durations.iter().for_each(|duration| all.record(*duration));
    let Native { schema, zero_count, buckets } = all.histogram().native();
    let mut text = format!("{schema} {zero_count}");
    for (index, count) in buckets {
        let upper_ms = 1_000.0 * (f64::from(index) / f64::from(1 << schema)).exp2();
        text += &format!(" {index}:{upper_ms:.3}={count}");
    }
    assert_eq!(text, expected);
}

#[test]
fn durations_are_converted_to_seconds() {
    check(&[], "5 0");
    check(&[1_000_000, 1_010_000], "5 0 0:1000.000=1 1:1021.897=1");
    // With zero, the row is long and therefore coarse: here buckets up to 1,000 and 1,189 ms.
    check(&[0, 0, 1_000_000, 1_010_000], "2 2 0:1000.000=1 1:1189.207=1");
    // 1 ms is a classic bound within a bucket.
    check(&[999, 1_001, 1_001], "5 0 -318:1.020=3");
    check(&[1, 3_600_000_000], "2 0 -80:0.001=1 48:4096000.000=1");
}

proptest! {
    #[test]
    fn sizes_are_in_exact_buckets(sizes in proptest::collection::vec(0..1_u64 << 39, 1..60)) {
        let mut stats = RequestStats::default();
        for size in &sizes {
            stats.record(RequestValues { request_bytes: *size, ..RequestValues::default() });
        }
        let native = stats.request_sizes().native();
        let index = |size: u64| ((size as f64).log2() * f64::from(1_u32 << native.schema)).ceil() as i32;
        let zeros = sizes.iter().filter(|size| **size == 0).count() as u64;
        prop_assert_eq!(native.zero_count, zeros);
        for (bucket, count) in &native.buckets {
            let here = sizes.iter().filter(|size| **size > 0 && index(**size) == *bucket).count() as u64;
            prop_assert_eq!(here, *count);
        }
        let all: u64 = native.buckets.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(all + native.zero_count, sizes.len() as u64);
        prop_assert!(native.buckets.is_sorted_by(|a, b| a.0 < b.0));
    }
}

/// Whether Prometheus sees a counter reset between two scrapes of one histogram
/// (`FloatHistogram.DetectReset`; the zero threshold is constant).
fn is_reset(before: &Native, after: &Native) -> bool {
    let count = |native: &Native| native.zero_count + native.buckets.iter().map(|it| it.1).sum::<u64>();
    if after.schema > before.schema || count(after) < count(before) || after.zero_count < before.zero_count {
        return true;
    }
    let merged = merged(before, after.schema);
    merged.into_iter().any(|(index, count)| {
        let now = after.buckets.iter().find(|(known, _)| *known == index).map_or(0, |(_, count)| *count);
        now < count
    })
}

/// Buckets at a coarser schema, as Prometheus merges them (`targetIdx`).
fn merged(native: &Native, schema: i32) -> BTreeMap<i32, u64> {
    let mut buckets = BTreeMap::new();
    for (index, count) in &native.buckets {
        *buckets.entry(((index - 1) >> (native.schema - schema)) + 1).or_insert(0) += count;
    }
    buckets
}

#[test]
fn a_late_outlier_is_no_reset() {
    let mut durations = Durations::default();
    // Four octaves around 4 ms, evenly by logarithm.
    let spread = |number: u32| (1_000.0 * (4.0 * f64::from(number) / 100_000.0).exp2()) as u64;
    (0..100_000).for_each(|number| durations.record(spread(number)));
    let before = durations.histogram().native();
    durations.record(1_000_000);
    let after = durations.histogram().native();
    assert!(after.schema < before.schema, "{} and {}", after.schema, before.schema);
    assert!(!is_reset(&before, &after));
    assert_eq!(after.buckets.last(), Some(&(0, 1)), "one second is the upper bound of its bucket");
    let mut expected = merged(&before, after.schema);
    expected.insert(0, 1);
    assert_eq!(after.buckets.into_iter().collect::<BTreeMap<_, _>>(), expected);
}

proptest! {
    #[test]
    fn no_sequence_of_durations_looks_reset(
        scrapes in proptest::collection::vec(
            proptest::collection::vec((0.0..36.0_f64).prop_map(|log2| log2.exp2() as u64), 1..20), 2..6),
        folded: bool,
    ) {
        let mut durations = Durations::default();
        let mut before = durations.histogram().native();
        for values in &scrapes {
            values.iter().for_each(|value| durations.record(*value));
            if folded {
                let counts = vec![values[0] % 5, 2, 1];
                let (min_us, max_us) = (0, 1 << 36);
                durations.fold(&FoldedDurations { min_us, max_us, scale: 2, offset: 40, counts, ..FoldedDurations::default() });
            }
            let after = durations.histogram().native();
            prop_assert!(!is_reset(&before, &after), "{before:?} {after:?}");
            before = after;
        }
    }

    #[test]
    fn durations_are_in_the_buckets_of_their_seconds(durations_us in proptest::collection::vec(1..1_u64 << 33, 1..60)) {
        let mut durations = Durations::default();
        durations_us.iter().for_each(|duration_us| durations.record(*duration_us));
        let native = durations.histogram().native();
        let position = |duration_us: f64| (duration_us / 1e6).log2() * f64::from(1_u32 << native.schema);
        for (index, count) in native.buckets {
            // A duration within a tick of an edge may count on the other side of it.
            let fits = |slack_us: f64| durations_us.iter().filter(|it| {
                let [low, high] = [-slack_us, slack_us].map(|slack_us| position((**it as f64 + slack_us).max(0.1)));
                low <= f64::from(index) && high > f64::from(index - 1)
            }).count() as u64;
            prop_assert!(count <= fits(1.0), "bucket {index} has {count}");
        }
    }
}
