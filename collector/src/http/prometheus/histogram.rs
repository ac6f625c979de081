//! A histogram as Prometheus shows it.
//!
//! In: a histogram, and the name of a family. Out: classic buckets, sum and count, and the native buckets. Always holds: classic
//! buckets are cumulative and exact; an exemplar stands at the bucket that its request is in.

use super::SECOND_US;
use hopscope_core::aggregate::Exemplar;
use hopscope_core::histogram::durations::BOUNDS_US;
use hopscope_core::histogram::{BOUNDS_BYTES, BOUNDS_MAX, Histogram, Native};

/// What the histograms of a family have in common: the names of their samples, and their classic buckets.
pub(crate) struct Names {
    pub(super) bucket: String,
    pub(super) sum: String,
    pub(super) count: String,
    pub(super) created: String,
    pub(super) bounds: Vec<Bound>,
    /// What a value is divided by to be shown.
    pub(super) unit: f64,
}

/// Upper bound of a classic bucket.
pub(super) struct Bound {
    /// The label `le`, as text.
    pub(super) label: String,
    pub(super) upper: f64,
}

impl Names {
    /// Of durations, in seconds.
    pub(crate) fn durations(name: &str) -> Self {
        Self::of(name, &BOUNDS_US, SECOND_US)
    }

    /// Of sizes, in bytes.
    pub(crate) fn sizes(name: &str) -> Self {
        Self::of(name, &BOUNDS_BYTES, 1.0)
    }

    /// Of whole numbers that are divided by `unit` to be shown.
    pub(crate) fn of(name: &str, bounds: &[u64], unit: f64) -> Self {
        let [bucket, sum, count, created] =
            ["bucket", "sum", "count", "created"].map(|part| format!("{name}_{part}"));
        let bound = |bound: &u64| {
            let upper = *bound as f64 / unit;
            Bound { label: format!(",le=\"{upper:?}\""), upper }
        };
        Self { bucket, sum, count, created, bounds: bounds.iter().map(bound).collect(), unit }
    }
}

/// A histogram as it is shown.
pub(crate) struct Buckets {
    /// Of a kind with fewer bounds the rest is 0, and has no name.
    pub(super) cumulative: [u64; BOUNDS_MAX],
    sum: u64,
    pub(super) count: u64,
    pub(super) native: Option<Native>,
    /// A request of it that is worth a look.
    exemplar: Option<Exemplar>,
}

impl Buckets {
    /// Durations or sizes. `native_unit`: as [`Exposition::native_unit`](super::Exposition::native_unit) says.
    pub(crate) fn of(values: Histogram<'_>, native_unit: Option<f64>) -> Self {
        let native = native_unit.map(|unit| values.native(unit));
        Self { native, ..Self::counted(values.cumulative(), values.sum(), values.count()) }
    }

    /// How many were at most as large as each bound, their sum, and how many there are.
    pub(crate) fn counted(cumulative: impl Iterator<Item = u64>, sum: u64, count: u64) -> Self {
        let mut buckets = [0; BOUNDS_MAX];
        buckets.iter_mut().zip(cumulative).for_each(|(into, count)| *into = count);
        Self { cumulative: buckets, sum, count, native: None, exemplar: None }
    }

    /// With a request of it that is worth a look.
    pub(crate) fn with_exemplar(self, exemplar: Option<Exemplar>) -> Self {
        Self { exemplar, ..self }
    }

    /// As it is shown.
    pub(super) fn sum(&self, names: &Names) -> f64 {
        self.sum as f64 / names.unit
    }

    /// Bounds and counts, the last bucket without a bound, each with the exemplar that is in it.
    pub(super) fn classic<'a>(
        &'a self,
        names: &'a Names,
    ) -> impl Iterator<Item = (Option<&'a Bound>, u64, Option<Exemplar>)> {
        let in_bucket = |it: &Exemplar| BOUNDS_US.iter().position(|bound_us| it.duration_us <= *bound_us);
        let exemplar = self.exemplar.map(|it| (in_bucket(&it).unwrap_or(names.bounds.len()), it));
        let counts = names.bounds.iter().map(Some).zip(self.cumulative);
        let all = counts.chain([(None, self.count)]).enumerate();
        all.map(move |(place, (bound, count))| {
            let here = exemplar.filter(|(bucket, _)| *bucket == place).map(|(_, it)| it);
            (bound, count, here)
        })
    }
}
