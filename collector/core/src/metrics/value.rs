//! Values of one family, copied from a series, and their sums over the parts of an exported series.
//!
//! In: a series, or values of two of its parts. Out: a value, or calls of a visitor.

use super::buckets::{Buckets, Exemplar};
use super::metric::{Metric, Read, extra};
use super::visitor::{Number, Visitor};

/// A value of one family, copied from a series.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would be one allocation per histogram")]
pub(super) enum Value {
    Number(Number),
    ByLabel(Vec<(&'static str, u64)>),
    Histogram(Buckets),
}

/// Values of the parts of a series that add up.
pub(super) trait Sum {
    /// Adds the value of another part.
    fn add(&mut self, other: Self);
}

impl Value {
    /// Reads a value; `None` where the series has none.
    pub(super) fn of<S>(
        metric: &Metric<S>,
        series: &S,
        exemplar: Option<Exemplar>,
        native: bool,
    ) -> Option<Self> {
        let Metric { family, read } = metric;
        match read {
            Read::Count(read) => read(series).map(|count| Self::Number(count.into())),
            Read::Gauge(read) => Some(Self::Number(read(series))),
            Read::ByLabel(read) => Some(read(series)).filter(|it| !it.is_empty()).map(Self::ByLabel),
            Read::Histogram(read) => {
                let buckets = read(series, native)?;
                Some(Self::Histogram(buckets.with_exemplar(exemplar.filter(|_| family.exemplars))))
            }
        }
    }

    /// Visits the samples of the value.
    pub(super) fn visit<S>(self, metric: &'static Metric<S>, created_us: u64, to: &mut impl Visitor) {
        let Metric { family, read } = metric;
        let created_us = Some(created_us).filter(|_| !matches!(read, Read::Gauge(_)));
        match self {
            Self::Number(value) => to.number(family, None, value, created_us),
            Self::Histogram(buckets) => to.histogram(family, &buckets, created_us),
            Self::ByLabel(counts) => {
                for (value, count) in counts {
                    to.number(family, extra(family, value), count.into(), created_us);
                }
            }
        }
    }
}

impl Sum for Value {
    fn add(&mut self, other: Self) {
        match (self, other) {
            (Self::Number(sum), Self::Number(number)) => sum.add(number),
            (Self::Histogram(sum), Self::Histogram(buckets)) => sum.add(&buckets),
            (Self::ByLabel(sums), Self::ByLabel(counts)) => {
                for (label, count) in counts {
                    match sums.iter_mut().find(|(known, _)| *known == label) {
                        Some((_, sum)) => *sum = sum.saturating_add(count),
                        None => sums.push((label, count)),
                    }
                }
            }
            // Values of one family are of one kind.
            _ => {}
        }
    }
}

impl Sum for Number {
    fn add(&mut self, other: Self) {
        *self = match (*self, other) {
            (Self::Count(sum), Self::Count(count)) => Self::Count(sum.saturating_add(count)),
            (sum, number) => Self::Real(sum.as_f64() + number.as_f64()),
        };
    }
}

impl<T: Sum> Sum for Option<T> {
    fn add(&mut self, other: Self) {
        match (self, other) {
            (Some(sum), Some(value)) => sum.add(value),
            (none @ None, value) => *none = value,
            (Some(_), None) => {}
        }
    }
}

impl<T: Sum> Sum for Vec<T> {
    fn add(&mut self, other: Self) {
        self.iter_mut().zip(other).for_each(|(sum, value)| sum.add(value));
    }
}

/// The creation time of a series is the earliest one of its parts.
impl<T: Sum> Sum for (u64, T) {
    fn add(&mut self, (created_us, value): Self) {
        self.0 = self.0.min(created_us);
        self.1.add(value);
    }
}
