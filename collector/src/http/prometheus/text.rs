//! Both text formats, piece by piece.
//!
//! In: families, labels, values. Out: lines. Always holds: label values are escaped; what the older format has no place for is
//! left out of it.
//!
//! Source: Prometheus' exposition formats; OpenMetrics 1.0 (where a counter's family is named without `_total`).

use super::histogram::{Buckets, Names};
use super::{Format, Kind, Labels, Number, seconds};
use hopscope_core::aggregate::Exemplar;
use std::io::Write;

/// The head of a family.
pub(super) fn head(text: &mut Vec<u8>, format: Format, name: &str, kind: Kind, help: &str) {
    let name = match (format, kind) {
        (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    };
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    // Writing to memory cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Labels of a sample, without what stands around them.
pub(super) fn spell(text: &mut Vec<u8>, labels: Labels<'_>) {
    for (place, (label, value)) in labels.iter().enumerate() {
        let before = if place == 0 { "" } else { "," };
        for part in [before, label, "=\""] {
            text.extend_from_slice(part.as_bytes());
        }
        escaped(text, value);
        text.push(b'"');
    }
}

/// One sample. `last`: what is to follow the labels, with its comma, or nothing.
pub(super) fn sample(text: &mut Vec<u8>, name: &str, labels: &[u8], last: &[u8], value: impl Number) {
    begin(text, name, labels, last);
    value.write(text);
    text.push(b'\n');
}

/// A histogram.
pub(super) fn histogram(text: &mut Vec<u8>, format: Format, names: &Names, labels: &[u8], buckets: &Buckets) {
    for (bound, count, exemplar) in buckets.classic(names) {
        let mut label = bound.map_or(",le=\"+Inf\"", |bound| &bound.label).as_bytes();
        if labels.is_empty() {
            label = label.strip_prefix(b",").unwrap_or(label);
        }
        begin(text, &names.bucket, labels, label);
        count.write(text);
        if let Some(exemplar) = exemplar.filter(|_| format == Format::OpenMetrics) {
            mark(text, exemplar);
        }
        text.push(b'\n');
    }
    sample(text, &names.sum, labels, b"", buckets.sum(names));
    sample(text, &names.count, labels, b"", buckets.count);
}

fn begin(text: &mut Vec<u8>, name: &str, labels: &[u8], last: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    if labels.is_empty() && last.is_empty() {
        return text.push(b' ');
    }
    for part in [b"{", labels, last, b"} "] {
        text.extend_from_slice(part);
    }
}

/// A request that is in a bucket.
fn mark(text: &mut Vec<u8>, exemplar: Exemplar) {
    let Exemplar { request_id_hash, duration_us, ended_us } = exemplar;
    let (value_s, ended_s) = (seconds(duration_us), seconds(ended_us));
    let _ = write!(text, " # {{request_id_hash=\"{request_id_hash:08x}\"}} {value_s} {ended_s}");
}

/// A label value with what must not stand in one escaped.
fn escaped(text: &mut Vec<u8>, value: &str) {
    if !value.contains(['\\', '"', '\n']) {
        return text.extend_from_slice(value.as_bytes());
    }
    for byte in value.bytes() {
        match byte {
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'"' => text.extend_from_slice(b"\\\""),
            b'\n' => text.extend_from_slice(b"\\n"),
            byte => text.push(byte),
        }
    }
}
