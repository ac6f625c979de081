//! A histogram as it is exported.
//!
//! In: a histogram. Out: classic buckets, sum and count, and the native buckets. Invariant: classic
//! buckets are cumulative and exact; an exemplar belongs to the bucket that contains its request.

use super::family::Family;
use crate::histogram::durations::BOUNDS_US;
use crate::histogram::{BOUNDS_MAX, Histogram, Native};

/// A request that represents a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exemplar {
    /// Hash of the request id, never 0.
    pub request_id_hash: u32,
    /// Duration of the request.
    pub duration_us: u64,
    /// End of the request by the clock of its proxy, microseconds since the Unix epoch.
    pub ended_us: u64,
}

/// Buckets of a histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    /// Counts up to each bound of the family; 0 beyond its last bound.
    cumulative: [u64; BOUNDS_MAX],
    sum: u64,
    count: u64,
    native: Option<Native>,
    exemplar: Option<Exemplar>,
}

impl Buckets {
    /// Buckets of durations or sizes. `native`: whether native buckets are needed.
    #[must_use]
    pub fn of(values: Histogram<'_>, native: bool) -> Self {
        let native = native.then(|| values.native());
        Self { native, ..Self::counted(values.cumulative(), values.sum(), values.count()) }
    }

    /// Buckets from the counts up to each bound, the sum of all values, and their number.
    #[must_use]
    pub fn counted(cumulative: impl Iterator<Item = u64>, sum: u64, count: u64) -> Self {
        let mut buckets = [0; BOUNDS_MAX];
        buckets.iter_mut().zip(cumulative).for_each(|(into, count)| *into = count);
        Self { cumulative: buckets, sum, count, native: None, exemplar: None }
    }

    /// The same buckets with an exemplar.
    #[must_use]
    pub fn with_exemplar(self, exemplar: Option<Exemplar>) -> Self {
        Self { exemplar, ..self }
    }

    /// Adds the values of another histogram of the same family.
    pub fn add(&mut self, other: &Self) {
        self.cumulative.iter_mut().zip(other.cumulative).for_each(|(sum, it)| *sum = sum.saturating_add(it));
        self.sum = self.sum.saturating_add(other.sum);
        self.count = self.count.saturating_add(other.count);
        if let (Some(sum), Some(native)) = (&mut self.native, &other.native) {
            sum.add(native);
        }
        let exemplars = [self.exemplar, other.exemplar].into_iter().flatten();
        self.exemplar = exemplars.max_by_key(|it| it.ended_us);
    }

    /// Number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the values in the unit of the family.
    #[must_use]
    pub fn sum(&self, divisor: f64) -> f64 {
        self.sum as f64 / divisor
    }

    /// Native buckets, where they were asked for.
    #[must_use]
    pub fn native(&self) -> Option<&Native> {
        self.native.as_ref()
    }

    /// Cumulative counts, one for each bound of the family and one without a bound, each with the
    /// exemplar that belongs to it.
    pub fn classic(&self, family: &Family) -> impl Iterator<Item = (u64, Option<Exemplar>)> {
        let bounds = family.bounds.len();
        let bucket = |it: &Exemplar| BOUNDS_US.iter().position(|bound_us| it.duration_us <= *bound_us);
        let exemplar = self.exemplar.map(|it| (bucket(&it).unwrap_or(bounds), it));
        let counts = self.cumulative.into_iter().take(bounds).chain([self.count]);
        counts.enumerate().map(move |(position, count)| {
            let own = exemplar.filter(|(bucket, _)| *bucket == position).map(|(_, it)| it);
            (count, own)
        })
    }
}
