//! Lines that both text formats have in common.
//!
//! In: families, labels, values. Out: lines. Invariant: label values are escaped.
//!
//! Source: Prometheus' exposition formats.

use super::parts::{Parts, Sink};
use hopscope_core::metrics::{Buckets, Exemplar, Extra, Family, Kind, Labels, Number, Unit, seconds};
use std::io::Write;

/// A text that is being written.
pub(super) struct Lines<'a> {
    pub(super) parts: Parts<'a>,
    /// Labels of the current series, without braces.
    labels: Vec<u8>,
    /// Names of the samples of the current family.
    names: Names,
}

/// Names of the samples of a family, and the `le` labels of a histogram.
#[derive(Default)]
struct Names {
    bucket: String,
    sum: String,
    count: String,
    created: String,
    bounds: Vec<String>,
    divisor: f64,
}

impl Names {
    fn of(family: &Family) -> Self {
        let created = format!("{}_created", family.base_name());
        if family.kind != Kind::Histogram {
            return Self { created, ..Self::default() };
        }
        let [bucket, sum, count] = ["bucket", "sum", "count"].map(|part| format!("{}_{part}", family.name));
        let divisor = family.divisor();
        let bounds = family.bounds.iter().map(|bound| format!(",le=\"{:?}\"", *bound as f64 / divisor));
        Self { bucket, sum, count, created, bounds: bounds.collect(), divisor }
    }
}

impl<'a> Lines<'a> {
    pub(super) fn new(sink: &'a mut Sink<'a>) -> Self {
        Self { parts: Parts::new(sink), labels: Vec::new(), names: Names::default() }
    }

    /// Writes the head of a family. `name`: as the format names the family.
    pub(super) fn family(&mut self, family: &Family, name: &str) {
        let (kind, help) = (family.kind.label(), family.help);
        // Writing to memory cannot fail.
        let _ = writeln!(self.parts.bytes, "# HELP {name} {help}\n# TYPE {name} {kind}");
        self.names = Names::of(family);
    }

    /// Writes the unit of a family, which is the last part of its name.
    pub(super) fn unit(&mut self, family: &Family) {
        let unit = match family.unit() {
            Unit::None => return,
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
        };
        let _ = writeln!(self.parts.bytes, "# UNIT {} {unit}", family.base_name());
    }

    /// Sets the labels of the samples that follow.
    pub(super) fn series(&mut self, labels: Labels<'_>) {
        self.labels.clear();
        for (position, (name, value)) in labels.iter().enumerate() {
            label(&mut self.labels, position > 0, name, value);
        }
    }

    /// Writes a sample of a counter or gauge.
    pub(super) fn number(&mut self, name: &str, extra: Extra, value: Number) {
        self.name(name, extra);
        self.value(value);
    }

    /// Writes the time at which the current series of the current family began.
    pub(super) fn created(&mut self, extra: Extra, created_us: u64) {
        let name = std::mem::take(&mut self.names.created);
        self.number(&name, extra, seconds(created_us).into());
        self.names.created = name;
    }

    /// Writes a histogram.
    pub(super) fn histogram(&mut self, family: &Family, buckets: &Buckets, exemplars: bool) {
        let Self { parts, labels, names } = self;
        let bytes = &mut parts.bytes;
        let mut bounds = names.bounds.iter();
        for (count, exemplar) in buckets.classic(family) {
            let bound = bounds.next().map_or(",le=\"+Inf\"", String::as_str);
            let bound = if labels.is_empty() { bound.strip_prefix(',').unwrap_or(bound) } else { bound };
            for part in [names.bucket.as_bytes(), b"{", labels, bound.as_bytes(), b"} "] {
                bytes.extend_from_slice(part);
            }
            let _ = write!(bytes, "{count}");
            exemplar.filter(|_| exemplars).into_iter().for_each(|exemplar| mark(bytes, exemplar));
            bytes.push(b'\n');
        }
        let (sum, count) = (buckets.sum(names.divisor), buckets.count());
        let names = std::mem::take(&mut self.names);
        self.number(&names.sum, None, sum.into());
        self.number(&names.count, None, count.into());
        self.names = names;
    }

    fn name(&mut self, name: &str, extra: Extra) {
        let Self { parts, labels, .. } = self;
        let bytes = &mut parts.bytes;
        bytes.extend_from_slice(name.as_bytes());
        if labels.is_empty() && extra.is_none() {
            return bytes.push(b' ');
        }
        bytes.push(b'{');
        bytes.extend_from_slice(labels);
        if let Some((name, value)) = extra {
            label(bytes, !labels.is_empty(), name, value);
        }
        bytes.extend_from_slice(b"} ");
    }

    fn value(&mut self, value: Number) {
        let bytes = &mut self.parts.bytes;
        let _ = match value {
            Number::Count(count) => writeln!(bytes, "{count}"),
            Number::Real(number) => writeln!(bytes, "{number}"),
        };
    }
}

fn label(bytes: &mut Vec<u8>, follows: bool, name: &str, value: &str) {
    if follows {
        bytes.push(b',');
    }
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b"=\"");
    escaped(bytes, value);
    bytes.push(b'"');
}

/// Writes a request that belongs to a bucket.
fn mark(bytes: &mut Vec<u8>, exemplar: Exemplar) {
    let Exemplar { request_id_hash, duration_us, ended_us } = exemplar;
    let (value_s, ended_s) = (seconds(duration_us), seconds(ended_us));
    let _ = write!(bytes, " # {{request_id_hash=\"{request_id_hash:08x}\"}} {value_s} {ended_s}");
}

/// Writes a label value, escaped.
fn escaped(bytes: &mut Vec<u8>, value: &str) {
    if !value.contains(['\\', '"', '\n']) {
        return bytes.extend_from_slice(value.as_bytes());
    }
    for byte in value.bytes() {
        match byte {
            b'\\' => bytes.extend_from_slice(b"\\\\"),
            b'"' => bytes.extend_from_slice(b"\\\""),
            b'\n' => bytes.extend_from_slice(b"\\n"),
            byte => bytes.push(byte),
        }
    }
}
