//! Samples as owned values: copied by the thread that owns a stage, visited by another one.
//!
//! In: calls of a traversal by family. Out: calls of a traversal of either kind.

use super::buckets::Buckets;
use super::family::Family;
use super::visitor::{Extra, Labels, Number, Visitor};

/// Samples of small families.
#[derive(Debug, Default)]
pub struct Samples {
    native: bool,
    families: Vec<&'static Family>,
    series: Vec<OwnedLabels>,
    /// Index of the labels of the next sample.
    current: usize,
    samples: Vec<Sample>,
}

/// Names and values of labels.
type OwnedLabels = Vec<(&'static str, Box<str>)>;

#[derive(Debug)]
struct Sample {
    /// Index of the labels.
    series: usize,
    family: &'static Family,
    extra: Extra,
    value: Value,
    created_us: Option<u64>,
}

#[derive(Debug)]
enum Value {
    Number(Number),
    Histogram(Box<Buckets>),
}

impl Samples {
    /// No samples yet. `native`: whether histograms need native buckets.
    #[must_use]
    pub fn new(native: bool) -> Self {
        Self { native, ..Self::default() }
    }

    /// Visits all families in the order in which they were added, each with its samples.
    pub fn by_family(&self, to: &mut impl Visitor) {
        let mut rest = self.samples.as_slice();
        for family in &self.families {
            to.family(family);
            let own = rest.iter().take_while(|sample| sample.family.name == family.name).count();
            let (samples, others) = rest.split_at_checked(own).unwrap_or((rest, &[]));
            rest = others;
            for sample in samples {
                self.labels(sample.series, to);
                sample.visit(to);
            }
        }
    }

    /// Visits all series in the order in which they were added, each with its families.
    pub fn by_series(&self, to: &mut impl Visitor) {
        let mut order: Vec<&Sample> = self.samples.iter().collect();
        order.sort_by_key(|sample| sample.series);
        for samples in order.chunk_by(|one, other| one.series == other.series) {
            samples.first().into_iter().for_each(|sample| self.labels(sample.series, to));
            samples.iter().for_each(|sample| sample.visit(to));
        }
    }

    fn labels(&self, series: usize, to: &mut impl Visitor) {
        let owned = self.series.get(series).map_or(&[][..], Vec::as_slice);
        let labels: Vec<(&'static str, &str)> = owned.iter().map(|(name, value)| (*name, &**value)).collect();
        to.series(&labels);
    }

    fn push(&mut self, family: &'static Family, extra: Extra, value: Value, created_us: Option<u64>) {
        let series = self.current;
        self.samples.push(Sample { series, family, extra, value, created_us });
    }
}

impl Sample {
    fn visit(&self, to: &mut impl Visitor) {
        match &self.value {
            Value::Number(value) => to.number(self.family, self.extra, *value, self.created_us),
            Value::Histogram(buckets) => to.histogram(self.family, buckets, self.created_us),
        }
    }
}

impl Visitor for Samples {
    fn native(&self) -> bool {
        self.native
    }

    fn family(&mut self, family: &'static Family) {
        self.families.push(family);
    }

    fn series(&mut self, labels: Labels<'_>) {
        // Few series come here; each family of a table repeats those of the one before.
        let is_it = |known: &OwnedLabels| {
            known.len() == labels.len()
                && known.iter().zip(labels).all(|(known, label)| known.0 == label.0 && *known.1 == *label.1)
        };
        self.current = self.series.iter().position(is_it).unwrap_or_else(|| {
            self.series.push(labels.iter().map(|(name, value)| (*name, (*value).into())).collect());
            self.series.len() - 1
        });
    }

    fn number(&mut self, family: &'static Family, extra: Extra, value: Number, created_us: Option<u64>) {
        self.push(family, extra, Value::Number(value), created_us);
    }

    fn histogram(&mut self, family: &'static Family, buckets: &Buckets, created_us: Option<u64>) {
        self.push(family, None, Value::Histogram(Box::new(buckets.clone())), created_us);
    }
}
