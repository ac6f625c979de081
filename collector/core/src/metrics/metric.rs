//! A family together with the function that reads its values.

use super::buckets::Buckets;
use super::family::{Family, Kind};
use super::visitor::{Extra, Number, Visitor};

/// A family, and how a value is read from a source of type `S`.
#[derive(Debug)]
pub struct Metric<S: 'static> {
    /// Declaration.
    pub family: Family,
    /// Function that reads the value.
    pub read: Read<S>,
}

/// Function that reads the value of a metric.
#[derive(Debug)]
pub enum Read<S: 'static> {
    /// Counter; a series for which it returns `None` has no sample.
    Count(fn(&S) -> Option<u64>),
    /// Gauge.
    Gauge(fn(&S) -> Number),
    /// Counters by the value of the last label of the family.
    ByLabel(fn(&S) -> Vec<(&'static str, u64)>),
    /// Histogram. The second argument: whether native buckets are needed.
    Histogram(fn(&S, bool) -> Option<Buckets>),
}

impl<S> Clone for Read<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Read<S> {}

impl Metric<u64> {
    /// Declares a counter of rows: [`visit_rows`] passes the values of `labels`
    /// and the count of each row.
    #[must_use]
    pub const fn counter_of_rows(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self::counter(name, help, |count| Some(*count)).labels(labels)
    }
}

impl<S> Metric<S> {
    const fn new(name: &'static str, kind: Kind, help: &'static str, read: Read<S>) -> Self {
        let family = Family { name, kind, help, labels: &[], bounds: &[], exemplars: false };
        Self { family, read }
    }

    /// Declares a counter. Its name ends with `_total`.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str, read: fn(&S) -> Option<u64>) -> Self {
        Self::new(name, Kind::Counter, help, Read::Count(read))
    }

    /// Declares a gauge.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str, read: fn(&S) -> Number) -> Self {
        Self::new(name, Kind::Gauge, help, Read::Gauge(read))
    }

    /// Declares a counter by the value of its last label.
    #[must_use]
    pub const fn counter_by_label(
        name: &'static str,
        help: &'static str,
        read: fn(&S) -> Vec<(&'static str, u64)>,
    ) -> Self {
        Self::new(name, Kind::Counter, help, Read::ByLabel(read))
    }

    /// Declares a histogram. `bounds`: upper bounds of the classic buckets, as recorded.
    #[must_use]
    pub const fn histogram(
        name: &'static str,
        help: &'static str,
        bounds: &'static [u64],
        read: fn(&S, bool) -> Option<Buckets>,
    ) -> Self {
        let it = Self::new(name, Kind::Histogram, help, Read::Histogram(read));
        Self { family: Family { bounds, ..it.family }, ..it }
    }

    /// Adds the names of the labels.
    #[must_use]
    pub const fn labels(self, labels: &'static [&'static str]) -> Self {
        Self { family: Family { labels, ..self.family }, read: self.read }
    }

    /// Lets buckets refer to requests.
    #[must_use]
    pub const fn with_exemplars(self) -> Self {
        Self { family: Family { exemplars: true, ..self.family }, read: self.read }
    }

    /// Visits the samples of one series whose labels the visitor has.
    fn visit(&'static self, source: &S, to: &mut impl Visitor) {
        let family = &self.family;
        match self.read {
            Read::Count(read) => {
                read(source).into_iter().for_each(|count| to.number(family, None, count.into(), None));
            }
            Read::Gauge(read) => to.number(family, None, read(source), None),
            Read::ByLabel(read) => {
                for (value, count) in read(source) {
                    to.number(family, extra(family, value), count.into(), None);
                }
            }
            Read::Histogram(read) => {
                let native = to.native();
                read(source, native).iter().for_each(|buckets| to.histogram(family, buckets, None));
            }
        }
    }
}

/// Label that is not common to the samples of a series: the last one of the family.
pub(super) fn extra(family: &'static Family, value: &'static str) -> Extra {
    family.labels.last().map(|label| (*label, value))
}

/// Declarations of a table.
pub fn families<S>(metrics: &'static [Metric<S>]) -> impl Iterator<Item = &'static Family> {
    metrics.iter().map(|metric| &metric.family)
}

/// Visits a table whose metrics have no labels.
pub fn visit<S>(metrics: &'static [Metric<S>], source: &S, to: &mut impl Visitor) {
    for metric in metrics {
        to.family(&metric.family);
        to.series(&[]);
        metric.visit(source, to);
    }
}

/// Visits a table for some sources, each with the values of the labels that the metrics have.
pub fn visit_rows<S, const N: usize>(
    metrics: &'static [Metric<S>],
    rows: &[([&str; N], S)],
    to: &mut impl Visitor,
) {
    for metric in metrics {
        to.family(&metric.family);
        for (values, source) in rows {
            let mut labels = [("", ""); N];
            for (label, (name, value)) in labels.iter_mut().zip(metric.family.labels.iter().zip(values)) {
                *label = (name, value);
            }
            to.series(&labels);
            metric.visit(source, to);
        }
    }
}
