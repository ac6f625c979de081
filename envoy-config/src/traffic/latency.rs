//! How long requests took.
//!
//! In: durations. Out: quantiles.
//! Always: exact for the first million durations, and the maximum for all; later ones are not kept.

use std::time::Duration;

/// Durations kept.
const KEPT_MAX: usize = 1_000_000;

/// Durations of requests.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    kept: Vec<Duration>,
    max: Duration,
}

impl Latencies {
    /// Adds a duration.
    pub fn add(&mut self, took: Duration) {
        self.max = self.max.max(took);
        if self.kept.len() < KEPT_MAX {
            self.kept.push(took);
        }
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: Self) {
        self.max = self.max.max(other.max);
        let room = KEPT_MAX - self.kept.len().min(KEPT_MAX);
        self.kept.extend(other.kept.into_iter().take(room));
    }

    /// The duration that so many of 100 do not exceed; zero without any. `percent` is 0 to 100.
    pub fn percentile(&self, percent: f64) -> Duration {
        let mut sorted = self.kept.clone();
        sorted.sort_unstable();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(99.0), Duration::ZERO);
        let mut late = Latencies::default();
        (1..=50).for_each(|ms| latencies.add(Duration::from_millis(ms)));
        (51..=100).rev().for_each(|ms| late.add(Duration::from_millis(ms)));
        latencies.merge(late);
        for (percent, ms) in [(0.0, 1), (50.0, 50), (99.0, 99), (100.0, 100)] {
            assert_eq!(latencies.percentile(percent), Duration::from_millis(ms));
        }
        assert_eq!(latencies.max(), Duration::from_millis(100));
    }
}
