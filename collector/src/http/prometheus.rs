//! Metrics in one of Prometheus' formats.
//!
//! In: families and samples. Out: bytes. Always holds: a family's samples stand together below its head; an OpenMetrics text ends
//! with `# EOF`; whoever takes the bytes gets them in parts, none much larger than [`PART_BYTES`].

mod accept;
mod histogram;
mod protobuf;
mod text;

pub(super) use accept::Format;
pub(super) use histogram::{Buckets, Names};

use std::io::Write;

/// Times are counted in microseconds, and shown in seconds.
pub(super) const SECOND_US: f64 = 1_000_000.0;

/// The kinds of families that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// So many bytes are handed on together.
const PART_BYTES: usize = 256 << 10;
/// With the sample that makes it so many.
const ROOM_BYTES: usize = PART_BYTES + (4 << 10);

/// Where it goes, part by part; `false` when nobody wants more of it.
pub(super) type Sink<'a> = dyn FnMut(Vec<u8>) -> bool + 'a;

/// Metrics in the making.
pub(crate) struct Exposition<'a> {
    bytes: Vec<u8>,
    format: Format,
    /// What of the family at hand is not among the bytes yet.
    family: protobuf::Family,
    /// None for a part.
    sink: Option<&'a mut Sink<'a>>,
    wanted: bool,
}

/// Labels of a sample, spelled once for all samples that have them.
pub(super) struct Spelled(Vec<u8>);

/// Labels of one sample.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// The value of a sample.
pub(super) trait Number: Copy {
    /// As text.
    fn write(self, text: &mut Vec<u8>);
    /// As the protobuf format has it.
    fn double(self) -> f64;
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Number for $number {
            #[inline]
            fn write(self, text: &mut Vec<u8>) {
                // Writing to memory cannot fail.
                let _ = write!(text, "{self}");
            }

            #[inline]
            #[expect(clippy::allow_attributes, reason = "not all of these are casts that lose something")]
            #[allow(clippy::cast_lossless, clippy::unnecessary_cast, reason = "one text for all numbers")]
            fn double(self) -> f64 {
                self as f64
            }
        }
    )*};
}

numbers!(u8 u64 usize f64);

impl<'a> Exposition<'a> {
    pub(super) fn new(format: Format, sink: &'a mut Sink<'a>) -> Self {
        Self { bytes: Vec::with_capacity(ROOM_BYTES), sink: Some(sink), ..Self::empty(format) }
    }

    fn empty(format: Format) -> Self {
        Self { bytes: Vec::new(), format, family: protobuf::Family::default(), sink: None, wanted: true }
    }

    /// What `tell` tells, to be [put](Self::put) among the rest. Nothing is handed on, so it may be told while the rooms are
    /// locked: who takes a part is waited for, and may wait for the rooms.
    pub(super) fn part(format: Format, tell: impl FnOnce(&mut Exposition<'_>)) -> Vec<u8> {
        let mut part = Exposition::empty(format);
        tell(&mut part);
        part.family.end(&mut part.bytes);
        part.bytes
    }

    /// Adds a part.
    pub(super) fn put(&mut self, part: &[u8]) {
        self.family.end(&mut self.bytes);
        self.bytes.extend_from_slice(part);
        self.hand_on(PART_BYTES);
    }

    /// As it was asked for.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// By what values of these histograms are divided for their native buckets; `None` where those have no place.
    pub(super) fn native_unit(&self, names: &Names) -> Option<f64> {
        (self.format == Format::Protobuf).then_some(names.unit)
    }

    /// Hands on nothing more.
    pub(super) fn give_up(&mut self) {
        self.wanted = false;
    }

    /// Whether anybody still wants it.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Begins a family. The name of a counter ends with `_total`.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        if self.format == Format::Protobuf {
            self.family.end(&mut self.bytes);
            self.family.begin(name, kind, help);
        } else {
            text::head(&mut self.bytes, self.format, name, kind, help);
        }
    }

    /// Spells labels.
    pub(super) fn spell(&self, labels: Labels<'_>) -> Spelled {
        let mut spelled = Vec::with_capacity(1 << 10);
        match self.format {
            Format::Protobuf => {
                labels.iter().for_each(|(name, value)| protobuf::label(name, value, &mut spelled));
            }
            Format::Prometheus | Format::OpenMetrics => text::spell(&mut spelled, labels),
        }
        Spelled(spelled)
    }

    /// One sample.
    pub(super) fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Number) {
        let Spelled(labels) = self.spell(labels);
        self.write(name, &labels, b"", value, None);
    }

    /// A family of one sample without labels.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Number) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// One sample with labels that are spelled already, and a last one.
    pub(super) fn labelled(&mut self, name: &str, labels: &Spelled, last: (&str, &str), value: u64) {
        let Spelled(mut more) = self.spell(&[last]);
        if self.format != Format::Protobuf {
            more.insert(0, b',');
        }
        self.write(name, &labels.0, &more, value, None);
    }

    /// A counter that began at some time, microseconds since the Unix epoch. Text 0.0.4 has no place for that.
    pub(super) fn counter(&mut self, name: &str, labels: &Spelled, value: u64, created_us: u64) {
        self.write(name, &labels.0, b"", value, Some(created_us));
    }

    /// A histogram, and when it began, where that is known.
    pub(super) fn histogram(
        &mut self,
        names: &Names,
        labels: &Spelled,
        buckets: &Buckets,
        created_us: Option<u64>,
    ) {
        let Spelled(labels) = labels;
        if self.format == Format::Protobuf {
            self.family.histogram(names, labels, buckets, created_us);
        } else {
            text::histogram(&mut self.bytes, self.format, names, labels, buckets);
            if let Some(created_us) = created_us.filter(|_| self.format == Format::OpenMetrics) {
                text::sample(&mut self.bytes, &names.created, labels, b"", seconds(created_us));
            }
        }
        self.hand_on(PART_BYTES);
    }

    fn write(&mut self, name: &str, labels: &[u8], last: &[u8], value: impl Number, created_us: Option<u64>) {
        if self.format == Format::Protobuf {
            self.family.scalar(labels, last, value.double(), created_us);
        } else {
            text::sample(&mut self.bytes, name, labels, last, value);
            if let Some(created_us) = created_us.filter(|_| self.format == Format::OpenMetrics) {
                let name = format!("{}_created", name.strip_suffix("_total").unwrap_or(name));
                text::sample(&mut self.bytes, &name, labels, b"", seconds(created_us));
            }
        }
        self.hand_on(PART_BYTES);
    }

    fn hand_on(&mut self, bytes: usize) {
        if let Some(sink) = &mut self.sink
            && self.wanted
            && self.bytes.len() + self.family.len() >= bytes
        {
            self.family.end(&mut self.bytes);
            self.wanted = sink(std::mem::replace(&mut self.bytes, Vec::with_capacity(ROOM_BYTES)));
        }
    }

    /// Hands on what is left.
    pub(super) fn end(mut self) {
        if self.format == Format::OpenMetrics {
            self.bytes.extend_from_slice(b"# EOF\n");
        }
        self.hand_on(0);
    }
}

/// A time as all formats show it.
pub(super) fn seconds(us: u64) -> f64 {
    us as f64 / SECOND_US
}

#[cfg(test)]
mod tests;
