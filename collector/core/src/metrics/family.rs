//! Declaration of a metric family.
//!
//! Source: Prometheus' conventions for names (`_total` for counters, base unit last) and
//! OpenMetrics 1.0 for kinds and units.

use super::SECOND_US;

/// Kind of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A sum that only grows; its name ends with `_total`.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// A distribution of values.
    Histogram,
}

impl Kind {
    /// Word of the `# TYPE` line.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Unit of the values of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A count, or a number without unit.
    None,
    /// Seconds. Histograms record microseconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// Samples with one name, kind and meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Name of the samples, and of the family in all formats but OpenMetrics.
    pub name: &'static str,
    /// Kind of the samples.
    pub kind: Kind,
    /// Meaning and unit, for the `# HELP` line.
    pub help: &'static str,
    /// Names of the labels that each sample has, in the order of their values.
    pub labels: &'static [&'static str],
    /// Upper bounds of the classic buckets of a histogram, as recorded: microseconds or bytes.
    pub bounds: &'static [u64],
    /// Whether a bucket refers to one of its requests.
    pub exemplars: bool,
}

impl Family {
    /// Unit of the values, which is the last part of the name.
    #[must_use]
    pub fn unit(&self) -> Unit {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        if name.ends_with("_seconds") {
            Unit::Seconds
        } else if name.ends_with("_bytes") {
            Unit::Bytes
        } else {
            Unit::None
        }
    }

    /// Divisor from recorded to exported values of a histogram.
    #[must_use]
    pub fn divisor(&self) -> f64 {
        if self.unit() == Unit::Seconds { SECOND_US } else { 1.0 }
    }

    /// Name without `_total`, from which the name of the created time is derived.
    #[must_use]
    pub fn base_name(&self) -> &'static str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Gauge | Kind::Histogram => self.name,
        }
    }
}
