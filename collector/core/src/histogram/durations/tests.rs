use super::Durations;
use crate::histogram::FoldedDurations;
use crate::histogram::buckets::{BOUNDS_US, FINEST};
use proptest::prelude::*;

fn record(durations_us: &[u64]) -> Durations {
    let mut durations = Durations::default();
    durations_us.iter().for_each(|duration_us| durations.record(*duration_us));
    durations
}

/// Compares the cumulative counts at the bounds where they change, and quantiles.
#[track_caller]
fn check(durations_us: &[u64], expected: &str) {
    let durations = record(durations_us);
    let histogram = durations.histogram();
    let mut last = 0;
    let mut steps = Vec::new();
    for (bound_us, count) in BOUNDS_US.into_iter().zip(histogram.cumulative()) {
        if count != last {
            steps.push(format!("{bound_us}:{count}"));
        }
        last = count;
    }
    let (p50, p99) = (histogram.quantile(0.5), histogram.quantile(0.99));
    let text = format!("{} p50={p50:.0} p99={p99:.0} max={}", steps.join(" "), histogram.max());
    assert_eq!(text, expected);
}

#[test]
fn bound_belongs_to_the_bucket_below() {
    check(&[], " p50=0 p99=0 max=0");
    check(&[0, 500, 501], "500:2 1000:3 p50=494 p99=501 max=501");
    check(&[1_000_000; 100], "1000000:100 p50=989228 p99=989228 max=1000000");
    check(&[4_000_000_000], " p50=3965054553 p99=3965054553 max=4000000000");
}

fn sum_of_counts(durations: &Durations) -> u64 {
    durations.rows.row(0).iter().map(|(_, count)| count).sum()
}

fn any_durations_us(octaves: f64) -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec((0.0..octaves).prop_map(|log2| log2.exp2() as u64), 0..60)
}

/// Folds durations as the filter does.
fn folded(scale: i32, durations_us: &[u64]) -> FoldedDurations {
    let index = |us: u64| ((us as f64).log2() * f64::from(scale).exp2()).ceil() as i32 - 1;
    let nonzero = || durations_us.iter().copied().filter(|us| *us > 0);
    let offset = nonzero().map(index).min().unwrap_or(0);
    let mut counts = vec![0; 60 << scale];
    nonzero().for_each(|us| counts[(index(us) - offset) as usize] += 1);
    FoldedDurations {
        sum_us: durations_us.iter().sum(),
        min_us: durations_us.iter().copied().min().unwrap_or(0),
        max_us: durations_us.iter().copied().max().unwrap_or(0),
        scale,
        zero_count: (durations_us.len() - nonzero().count()) as u64,
        offset,
        counts,
    }
}

proptest! {
    #[test]
    fn no_count_is_lost_at_any_scale(
        scale in -10..=20_i32,
        offset: i32,
        zero_count in 0..1000_u64,
        counts in proptest::collection::vec(0..1000_u64, 0..320),
        (min_us, max_us) in (0..1_000_000_u64, 0..1_000_000_000_u64),
    ) {
        let max_us = max_us.max(min_us);
        let expected = counts.iter().sum::<u64>() + zero_count;
        let folded = FoldedDurations { sum_us: 7, min_us, max_us, scale, zero_count, offset, counts };
        let mut durations = Durations::default();
        durations.fold(&folded);
        prop_assert_eq!(durations.count(), expected);
        prop_assert_eq!(sum_of_counts(&durations), expected);
        prop_assert!(durations.histogram().quantile(1.0) <= max_us as f64);
    }

    #[test]
    fn quantile_error_is_within_the_bound_of_the_scale(
        mut values in (1.0..33.0_f64).prop_flat_map(any_durations_us).prop_filter("not empty", |values| !values.is_empty()),
        q in 0.0..=1.0_f64,
    ) {
        let durations = record(&values);
        values.sort_unstable();
        let rank = ((q * values.len() as f64).ceil() as usize).max(1);
        let exact = values[rank - 1] as f64;
        let error = (durations.histogram().quantile(q) - exact).abs();
        prop_assert!(error <= exact * (durations.histogram().error_max() + 1e-9) + 0.5, "{} of {}", error, exact);
    }

    #[test]
    fn scale_is_the_finest_for_the_range(values in any_durations_us(33.0).prop_filter("not empty", |values| !values.is_empty())) {
        let octaves = |us: u64| (us.max(1) as f64).log2();
        let (min, max) = (values.iter().min().unwrap(), values.iter().max().unwrap());
        let range = octaves(*max) - octaves(*min);
        let durations = record(&values);
        let scale = durations.rows.row(0).scale();
        // 80 and 160 counters, minus classic bounds, zero, and the partial buckets at both ends.
        let least = if range < 1.7 { FINEST } else if range < 3.5 { 4 } else if range < 17.0 { 3 } else { 2 };
        prop_assert!(scale >= least, "{} for {} octaves", scale, range);
    }

    #[test]
    fn merging_equals_recording(left in any_durations_us(33.0), right in any_durations_us(33.0)) {
        let mut merged = record(&left);
        merged.merge(&record(&right));
        let together = record(&[left, right].concat());
        let (merged, together) = (merged.histogram(), together.histogram());
        prop_assert!(merged.cumulative().eq(together.cumulative()));
        prop_assert_eq!((merged.count(), merged.sum(), merged.max()), (together.count(), together.sum(), together.max()));
        prop_assert_eq!(merged.row.scale(), together.row.scale());
        prop_assert_eq!(merged.quantile(0.5), together.quantile(0.5));
    }

    #[test]
    fn classic_buckets_are_exact(
        spread in any_durations_us(33.0),
        near in proptest::collection::vec((proptest::sample::select(&BOUNDS_US[..]), -2..=2_i64), 0..60),
    ) {
        let near = near.into_iter().map(|(bound_us, offset)| bound_us.saturating_add_signed(offset));
        let values: Vec<u64> = spread.into_iter().chain(near).collect();
        let durations = record(&values);
        let naive = BOUNDS_US.map(|bound_us| values.iter().filter(|value| **value <= bound_us).count() as u64);
        prop_assert_eq!(durations.histogram().cumulative().collect::<Vec<_>>(), naive.to_vec());
        prop_assert_eq!(durations.histogram().sum(), values.iter().sum::<u64>());
    }

    #[test]
    fn folding_moves_a_duration_by_less_than_the_width_of_its_bucket(scale in 2..=5_i32, values in any_durations_us(33.0)) {
        let mut durations = Durations::default();
        durations.fold(&folded(scale, &values));
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let width = (1.0 / f64::from(1 << scale)).exp2() - 1.0;
        let error_max = (1.0 + width) * (1.0 + durations.histogram().error_max()) - 1.0;
        for q in [0.1, 0.5, 0.9, 1.0] {
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            let Some(exact) = sorted.get(rank - 1).map(|value| *value as f64) else { continue };
            let error = (durations.histogram().quantile(q) - exact).abs();
            prop_assert!(error <= exact * error_max + 1.0, "{error} of {exact}");
        }
    }
}
