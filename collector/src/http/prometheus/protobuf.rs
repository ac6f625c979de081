//! Prometheus' protobuf format, piece by piece.
//!
//! In: families, labels, values. Out: messages `io.prometheus.client.MetricFamily`, each behind its length. Always holds: a family
//! of many series comes as several messages, each complete in itself, since what is sent first has to say how long it is, and
//! nobody shall hold a whole family; one without a series is left out.
//!
//! A histogram has its classic buckets and the native ones: Prometheus takes the latter where it may
//! (`scrape_native_histograms`), else the former. Twenty classic buckets cost no more here than two labels, where the text
//! repeats all labels for each.
//!
//! Source: `io/prometheus/client/metrics.proto` of `prometheus/client_model`.

use super::histogram::{Buckets, Names};
use super::{Kind, seconds};
use hopscope_core::aggregate::Exemplar;
use hopscope_core::histogram::Native;
use prost::encoding::{self, WireType, encode_key, encode_varint};

/// Values that are no larger count as zero: client libraries have the same bound.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// The family that is told now.
#[derive(Default)]
pub(super) struct Family {
    /// What each of its messages begins with.
    head: Vec<u8>,
    kind: Option<Kind>,
    metrics: Vec<u8>,
    /// Kept for its memory.
    body: Vec<u8>,
}

impl Family {
    /// Begins a family.
    pub(super) fn begin(&mut self, name: &str, kind: Kind, help: &str) {
        self.head.clear();
        text(1, name, &mut self.head);
        text(2, help, &mut self.head);
        let number = match kind {
            Kind::Counter => 0,
            Kind::Gauge => 1,
            Kind::Histogram => 4,
        };
        encoding::int32::encode(3, &number, &mut self.head);
        self.kind = Some(kind);
    }

    /// How many bytes wait for [`Family::end`].
    pub(super) fn len(&self) -> usize {
        self.metrics.len()
    }

    /// Appends what was told since the last time as a message.
    pub(super) fn end(&mut self, into: &mut Vec<u8>) {
        if !self.metrics.is_empty() {
            encode_varint((self.head.len() + self.metrics.len()) as u64, into);
            into.extend_from_slice(&self.head);
            into.append(&mut self.metrics);
        }
    }

    /// A counter, with when it began, or a gauge.
    pub(super) fn scalar(&mut self, labels: &[u8], last: &[u8], value: f64, created_us: Option<u64>) {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        encoding::double::encode(1, &value, &mut body);
        created_us.into_iter().for_each(|created_us| timestamp(3, created_us, &mut body));
        let field = if self.kind == Some(Kind::Gauge) { 2 } else { 3 };
        self.metric(labels, last, field, &body);
        self.body = body;
    }

    /// A histogram, with when it began.
    pub(super) fn histogram(
        &mut self,
        names: &Names,
        labels: &[u8],
        buckets: &Buckets,
        created_us: Option<u64>,
    ) {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        encoding::uint64::encode(1, &buckets.count, &mut body);
        encoding::double::encode(2, &buckets.sum(names), &mut body);
        for (bound, count, exemplar) in buckets.classic(names) {
            // What has no bound is `sample_count`, unless there is an exemplar in it.
            if bound.is_some() || exemplar.is_some() {
                let upper = bound.map_or(f64::INFINITY, |bound| bound.upper);
                message(3, &mut body, |body| bucket(upper, count, exemplar, body));
            }
        }
        if let Some(native) = &buckets.native {
            encode_native(native, &mut body);
        }
        created_us.into_iter().for_each(|created_us| timestamp(15, created_us, &mut body));
        self.metric(labels, b"", 7, &body);
        self.body = body;
    }

    fn metric(&mut self, labels: &[u8], last: &[u8], field: u32, body: &[u8]) {
        let framed = 1 + encoding::encoded_len_varint(body.len() as u64) + body.len();
        let metrics = &mut self.metrics;
        encode_key(4, WireType::LengthDelimited, metrics);
        encode_varint((labels.len() + last.len() + framed) as u64, metrics);
        metrics.extend_from_slice(labels);
        metrics.extend_from_slice(last);
        encode_key(field, WireType::LengthDelimited, metrics);
        encode_varint(body.len() as u64, metrics);
        metrics.extend_from_slice(body);
    }
}

/// One label.
pub(super) fn label(name: &str, value: &str, into: &mut Vec<u8>) {
    message(1, into, |into| {
        text(1, name, into);
        text(2, value, into);
    });
}

fn bucket(upper: f64, count: u64, exemplar: Option<Exemplar>, into: &mut Vec<u8>) {
    encoding::uint64::encode(1, &count, into);
    encoding::double::encode(2, &upper, into);
    let Some(Exemplar { request_id_hash, duration_us, ended_us }) = exemplar else { return };
    message(3, into, |into| {
        label("request_id_hash", &format!("{request_id_hash:08x}"), into);
        encoding::double::encode(2, &seconds(duration_us), into);
        timestamp(3, ended_us, into);
    });
}

/// Counts as differences, and where there are some.
fn encode_native(native: &Native, into: &mut Vec<u8>) {
    encoding::sint32::encode(5, &native.schema, into);
    encoding::double::encode(6, &ZERO_THRESHOLD, into);
    encoding::uint64::encode(7, &native.zero_count, into);
    let (mut before, mut next) = (0_i64, 0_i32);
    let mut deltas = Vec::with_capacity(native.buckets.len());
    for run in native.buckets.chunk_by(|(one, _), (other, _)| one + 1 == *other) {
        let start = run.first().map_or(next, |(index, _)| *index);
        message(12, into, |into| {
            encoding::sint32::encode(1, &(start - next), into);
            encoding::uint32::encode(2, &u32::try_from(run.len()).unwrap_or(u32::MAX), into);
        });
        next = start + i32::try_from(run.len()).unwrap_or(i32::MAX);
        for (_, count) in run {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            deltas.push(count - before);
            before = count;
        }
    }
    encoding::sint64::encode_packed(13, &deltas, into);
}

fn timestamp(field: u32, us: u64, into: &mut Vec<u8>) {
    message(field, into, |into| {
        encoding::int64::encode(1, &i64::try_from(us / 1_000_000).unwrap_or(i64::MAX), into);
        encoding::int32::encode(2, &i32::try_from(us % 1_000_000 * 1_000).unwrap_or(0), into);
    });
}

/// A message within another. Its length is told once it is known; nearly all are shorter than 128 bytes, and it takes one.
fn message(field: u32, into: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(field, WireType::LengthDelimited, into);
    let start = into.len();
    into.push(0);
    write(into);
    let length = into.len() - start - 1;
    match (u8::try_from(length), into.get_mut(start)) {
        (Ok(short @ ..0x80), Some(place)) => *place = short,
        _ => {
            let mut prefix = Vec::new();
            encode_varint(length as u64, &mut prefix);
            into.splice(start..=start, prefix);
        }
    }
}

fn text(field: u32, value: &str, into: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, into);
    encode_varint(value.len() as u64, into);
    into.extend_from_slice(value.as_bytes());
}
