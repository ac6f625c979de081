//! Prometheus' protobuf format, which has created times, exemplars and native histograms.
//!
//! In: families, labels, values. Out: messages `io.prometheus.client.MetricFamily`, each with its
//! length before it. A family of many series is split into several complete messages, because the
//! length comes first and a family may be large. A family without series is left out.
//!
//! A histogram has its classic and its native buckets: Prometheus reads the native ones if
//! `scrape_native_histograms` is on, otherwise the classic ones. Twenty classic buckets cost no
//! more than two labels here, whereas text repeats all labels for each bucket.
//!
//! Source: `io/prometheus/client/metrics.proto` of `prometheus/client_model`.

mod message;

use super::Encoder;
use super::parts::{PART_BYTES, Parts, Sink};
use hopscope_core::metrics::{Buckets, Extra, Family, Kind, Labels, Number, Visitor};
use prost::encoding::{self, WireType, encode_key, encode_varint};

/// Encoder of the protobuf format.
pub(crate) struct Protobuf<'a> {
    parts: Parts<'a>,
    /// First fields of each message of the current family.
    head: Vec<u8>,
    divisor: f64,
    /// Labels of the current series.
    labels: Vec<u8>,
    /// Metrics of the current family that are in no message yet.
    metrics: Vec<u8>,
    /// Value of the current sample; reused memory, as [`Self::extra`].
    body: Vec<u8>,
    extra: Vec<u8>,
}

impl<'a> Protobuf<'a> {
    pub(crate) fn new(sink: &'a mut Sink<'a>) -> Self {
        Self {
            parts: Parts::new(sink),
            head: Vec::new(),
            divisor: 1.0,
            labels: Vec::new(),
            metrics: Vec::new(),
            body: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// Appends the metrics of the current family as a message.
    fn finish_message(&mut self) {
        if !self.metrics.is_empty() {
            let bytes = &mut self.parts.bytes;
            encode_varint((self.head.len() + self.metrics.len()) as u64, bytes);
            bytes.extend_from_slice(&self.head);
            bytes.append(&mut self.metrics);
        }
    }

    /// Appends a metric whose value is in `body`. `field`: number of the value.
    fn metric(&mut self, field: u32) {
        let Self { labels, extra, metrics, body, .. } = self;
        let framed = 1 + encoding::encoded_len_varint(body.len() as u64) + body.len();
        encode_key(4, WireType::LengthDelimited, metrics);
        encode_varint((labels.len() + extra.len() + framed) as u64, metrics);
        metrics.extend_from_slice(labels);
        metrics.extend_from_slice(extra);
        encode_key(field, WireType::LengthDelimited, metrics);
        encode_varint(body.len() as u64, metrics);
        metrics.extend_from_slice(body);
        if self.parts.bytes.len() + self.metrics.len() >= PART_BYTES {
            self.finish_message();
            self.parts.flush();
        }
    }
}

impl Visitor for Protobuf<'_> {
    fn native(&self) -> bool {
        true
    }

    fn is_stopped(&self) -> bool {
        self.parts.is_stopped()
    }

    fn family(&mut self, family: &'static Family) {
        self.finish_message();
        self.head.clear();
        message::text(1, family.name, &mut self.head);
        message::text(2, family.help, &mut self.head);
        let number = match family.kind {
            Kind::Counter => 0,
            Kind::Gauge => 1,
            Kind::Histogram => 4,
        };
        encoding::int32::encode(3, &number, &mut self.head);
        self.divisor = family.divisor();
    }

    fn series(&mut self, labels: Labels<'_>) {
        self.labels.clear();
        labels.iter().for_each(|(name, value)| message::label(name, value, &mut self.labels));
    }

    fn number(&mut self, family: &'static Family, extra: Extra, value: Number, created_us: Option<u64>) {
        self.extra.clear();
        extra.into_iter().for_each(|(name, value)| message::label(name, value, &mut self.extra));
        self.body.clear();
        encoding::double::encode(1, &value.as_f64(), &mut self.body);
        created_us.into_iter().for_each(|created_us| message::timestamp(3, created_us, &mut self.body));
        self.metric(if family.kind == Kind::Gauge { 2 } else { 3 });
    }

    fn histogram(&mut self, family: &'static Family, buckets: &Buckets, created_us: Option<u64>) {
        self.extra.clear();
        let divisor = self.divisor;
        let body = &mut self.body;
        body.clear();
        encoding::uint64::encode(1, &buckets.count(), body);
        encoding::double::encode(2, &buckets.sum(divisor), body);
        let mut bounds = family.bounds.iter().map(|bound| *bound as f64 / divisor);
        for (count, exemplar) in buckets.classic(family) {
            let bound = bounds.next();
            // The bucket without a bound is `sample_count`, unless it has an exemplar.
            if bound.is_some() || exemplar.is_some() {
                message::bucket(bound.unwrap_or(f64::INFINITY), count, exemplar, body);
            }
        }
        buckets.native().into_iter().for_each(|native| message::native(native, body));
        created_us.into_iter().for_each(|created_us| message::timestamp(15, created_us, body));
        self.metric(7);
    }
}

impl Encoder for Protobuf<'_> {
    fn end(mut self) {
        self.finish_message();
        self.parts.flush();
    }
}
