//! Receiver of metrics.
//!
//! Calls by family: `family`, then for each series `series` and the samples. Calls by series:
//! `series`, then the samples of all families of the series; `family` is not called.

use super::buckets::Buckets;
use super::family::Family;

/// Names and values of labels.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// Name and value of a label that one sample has in addition to those of its series.
pub type Extra = Option<(&'static str, &'static str)>;

/// Value of a counter or gauge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number.
    Count(u64),
    /// Any other number.
    Real(f64),
}

impl From<u64> for Number {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Number {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<bool> for Number {
    fn from(is_true: bool) -> Self {
        Self::Count(is_true.into())
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl Number {
    /// The number as floating point, which is exact up to 2^53.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Real(number) => number,
        }
    }
}

/// An output of metrics: an exposition format, or a push sink.
pub trait Visitor {
    /// Whether histograms need native buckets.
    fn native(&self) -> bool {
        false
    }

    /// Whether the reader has gone, so that the traversal ends early.
    fn is_stopped(&self) -> bool {
        false
    }

    /// Begins a family, in a traversal by family.
    fn family(&mut self, family: &'static Family);

    /// Sets the labels of the samples that follow.
    fn series(&mut self, labels: Labels<'_>);

    /// Receives a counter or a gauge. `created_us`: time at which the counter was 0, microseconds
    /// since the Unix epoch, where known.
    fn number(&mut self, family: &'static Family, extra: Extra, value: Number, created_us: Option<u64>);

    /// Receives a histogram. `created_us`: as for a counter.
    fn histogram(&mut self, family: &'static Family, buckets: &Buckets, created_us: Option<u64>);
}
