//! Durations of requests.
//!
//! In: durations. Out: quantiles.
//! Invariant: percentiles are exact over the first million durations; the maximum is over all.

use std::time::Duration;

/// Stored durations.
const STORED_MAX: usize = 1_000_000;

/// Durations of requests.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    stored: Vec<Duration>,
    max: Duration,
}

impl Latencies {
    /// Adds a duration.
    pub fn add(&mut self, took: Duration) {
        self.max = self.max.max(took);
        if self.stored.len() < STORED_MAX {
            self.stored.push(took);
        }
    }

    /// Adds all durations of another.
    pub fn merge(&mut self, other: Self) {
        self.max = self.max.max(other.max);
        let free = STORED_MAX - self.stored.len().min(STORED_MAX);
        self.stored.extend(other.stored.into_iter().take(free));
    }

    /// Percentile by nearest rank, 0 to 100; zero without durations.
    pub fn percentile(&self, percent: f64) -> Duration {
        let mut sorted = self.stored.clone();
        sorted.sort_unstable();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Longest duration.
    pub fn max(&self) -> Duration {
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
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
