//! A histogram as Prometheus shows it: classic buckets, sum and count.
//!
//! In: a histogram, and the name and labels of a series. Out: samples. Always holds: buckets are cumulative and exact; an exemplar
//! stands at the bucket that its request is in.

use super::super::exposition::{Exposition, Spelled};
use super::seconds;
use crate::aggregate::Exemplar;
use crate::measure::durations::BOUNDS_US;
use crate::measure::{BOUNDS_BYTES, BOUNDS_MAX, Histogram};

/// The names of a histogram's samples.
pub(in crate::api) struct Names {
    bucket: String,
    sum: String,
    count: String,
    /// The label `le` of each classic bucket.
    bounds: Vec<String>,
    /// What a value is divided by to be shown.
    unit: f64,
}

impl Names {
    /// Of durations, in seconds.
    pub(in crate::api) fn durations(name: &str) -> Self {
        Self::of(name, BOUNDS_US.map(seconds).as_slice(), 1_000_000.0)
    }

    /// Of sizes, in bytes.
    pub(super) fn sizes(name: &str) -> Self {
        Self::of(name, BOUNDS_BYTES.map(|bytes| bytes as f64).as_slice(), 1.0)
    }

    fn of(name: &str, bounds: &[f64], unit: f64) -> Self {
        let [bucket, sum, count] = ["bucket", "sum", "count"].map(|part| format!("{name}_{part}"));
        let bounds = bounds.iter().map(|bound| format!(",le=\"{bound:?}\"")).collect();
        Self { bucket, sum, count, bounds, unit }
    }
}

/// A histogram as it is shown.
pub(in crate::api) struct Buckets {
    /// Of a kind with fewer bounds the rest is 0, and has no name.
    cumulative: [u64; BOUNDS_MAX],
    sum: u64,
    count: u64,
    /// A request of it that is worth a look.
    exemplar: Option<Exemplar>,
}

impl Buckets {
    pub(in crate::api) fn of(values: Histogram<'_>) -> Self {
        let mut cumulative = [0; BOUNDS_MAX];
        cumulative.iter_mut().zip(values.cumulative()).for_each(|(into, count)| *into = count);
        Self { cumulative, sum: values.sum(), count: values.count(), exemplar: None }
    }

    /// With a request of it that is worth a look.
    pub(super) fn with(self, exemplar: Option<Exemplar>) -> Self {
        Self { exemplar, ..self }
    }

    pub(in crate::api) fn tell(&self, text: &mut Exposition<'_>, names: &Names, labels: &Spelled) {
        let exemplar = self.exemplar.map(|it| {
            let bucket = BOUNDS_US.iter().position(|bound_us| it.duration_us <= *bound_us);
            (bucket.unwrap_or(names.bounds.len()), it)
        });
        let in_bucket = |place| exemplar.filter(|(bucket, _)| *bucket == place).map(|(_, it)| it);
        for (place, (bound, count)) in names.bounds.iter().zip(self.cumulative).enumerate() {
            text.marked(&names.bucket, labels, bound, count, in_bucket(place));
        }
        text.marked(&names.bucket, labels, ",le=\"+Inf\"", self.count, in_bucket(names.bounds.len()));
        text.spelled(&names.sum, labels, "", self.sum as f64 / names.unit);
        text.spelled(&names.count, labels, "", self.count);
    }
}
