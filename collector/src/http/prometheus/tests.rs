//! Families in, bytes out; protobuf is decoded with Prometheus' own definition.

use super::parts::PART_BYTES;
use super::{Encoder, Format, OpenMetrics, Protobuf, Sink, Text};
use hopscope_core::batch::Record;
use hopscope_core::histogram::RequestStats;
use hopscope_core::metrics::{Buckets, Exemplar, Family, Kind, Visitor};
use prost::Message;

/// `io/prometheus/client/metrics.proto`, as far as it is used.
mod client {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct MetricFamily {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) help: String,
        #[prost(int32, tag = "3")]
        pub(super) kind: i32,
        #[prost(message, repeated, tag = "4")]
        pub(super) metric: Vec<Metric>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Metric {
        #[prost(message, repeated, tag = "1")]
        pub(super) label: Vec<LabelPair>,
        #[prost(message, optional, tag = "2")]
        pub(super) gauge: Option<Scalar>,
        #[prost(message, optional, tag = "3")]
        pub(super) counter: Option<Scalar>,
        #[prost(message, optional, tag = "7")]
        pub(super) histogram: Option<Histogram>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct LabelPair {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) value: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Scalar {
        #[prost(double, tag = "1")]
        pub(super) value: f64,
        #[prost(message, optional, tag = "3")]
        pub(super) created: Option<Timestamp>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Histogram {
        #[prost(uint64, tag = "1")]
        pub(super) sample_count: u64,
        #[prost(double, tag = "2")]
        pub(super) sample_sum: f64,
        #[prost(message, repeated, tag = "3")]
        pub(super) bucket: Vec<Bucket>,
        #[prost(message, optional, tag = "15")]
        pub(super) created: Option<Timestamp>,
        #[prost(sint32, tag = "5")]
        pub(super) schema: i32,
        #[prost(double, tag = "6")]
        pub(super) zero_threshold: f64,
        #[prost(uint64, tag = "7")]
        pub(super) zero_count: u64,
        #[prost(message, repeated, tag = "12")]
        pub(super) positive_span: Vec<BucketSpan>,
        #[prost(sint64, repeated, tag = "13")]
        pub(super) positive_delta: Vec<i64>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Bucket {
        #[prost(uint64, tag = "1")]
        pub(super) cumulative_count: u64,
        #[prost(double, tag = "2")]
        pub(super) upper_bound: f64,
        #[prost(message, optional, tag = "3")]
        pub(super) exemplar: Option<Exemplar>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Exemplar {
        #[prost(message, repeated, tag = "1")]
        pub(super) label: Vec<LabelPair>,
        #[prost(double, tag = "2")]
        pub(super) value: f64,
        #[prost(message, optional, tag = "3")]
        pub(super) timestamp: Option<Timestamp>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct BucketSpan {
        #[prost(sint32, tag = "1")]
        pub(super) offset: i32,
        #[prost(uint32, tag = "2")]
        pub(super) length: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Timestamp {
        #[prost(int64, tag = "1")]
        pub(super) seconds: i64,
        #[prost(int32, tag = "2")]
        pub(super) nanos: i32,
    }
}

/// Metrics that a test writes.
trait Metrics {
    fn visit(self, to: &mut impl Visitor);
}

/// The exposition in the format that a header asks for.
fn exposition(accept: &str, metrics: impl Metrics) -> Vec<u8> {
    let mut all = Vec::new();
    let mut sink = |part: Vec<u8>| {
        all.extend(part);
        true
    };
    write(accept, metrics, &mut sink);
    all
}

fn write(accept: &str, metrics: impl Metrics, sink: &mut Sink<'_>) {
    fn end(metrics: impl Metrics, mut to: impl Encoder) {
        metrics.visit(&mut to);
        to.end();
    }
    match Format::wanted(accept) {
        Format::Prometheus => end(metrics, Text::new(sink)),
        Format::OpenMetrics => end(metrics, OpenMetrics::new(sink, true)),
        Format::Protobuf => end(metrics, Protobuf::new(sink)),
    }
}

const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// All messages, one after the other.
fn read(mut bytes: &[u8]) -> Vec<client::MetricFamily> {
    let mut families = Vec::new();
    while !bytes.is_empty() {
        families.push(client::MetricFamily::decode_length_delimited(&mut bytes).unwrap());
    }
    families
}

const fn family(name: &'static str, kind: Kind, help: &'static str) -> Family {
    Family { name, kind, help, labels: &[], bounds: &[256, 1_024], exemplars: true }
}

static A: Family = family("a_total", Kind::Counter, "Things.");
static B: Family = family("b", Kind::Gauge, "Others.");
static NONE: Family = family("none", Kind::Gauge, "Nothing.");
static H: Family = family("h", Kind::Histogram, "Sizes.");

/// A family of each kind.
struct Families;

impl Metrics for Families {
    fn visit(self, to: &mut impl Visitor) {
        to.family(&A);
        to.series(&[("x", "q\"b\\n\n"), ("y", "")]);
        to.number(&A, None, 3_u64.into(), None);
        to.series(&[("x", "1")]);
        to.number(&A, Some(("y", "2")), 4_u64.into(), None);
        to.number(&A, None, 5_u64.into(), Some(1_500_000));
        to.family(&B);
        to.series(&[]);
        to.number(&B, None, 0.5.into(), None);
        to.family(&NONE);
        to.family(&H);
        let mut stats = RequestStats::default();
        for bytes in [0, 200, 300, 300, 1 << 30] {
            stats.record(&Record { request_bytes: bytes, ..Record::default() });
        }
        let exemplar = Exemplar { request_id_hash: 7, duration_us: 700, ended_us: 2_000_001 };
        // The classic buckets of the family are fewer than those of sizes.
        let buckets = Buckets::of(stats.request_sizes(), to.native());
        to.series(&[("x", "1")]);
        to.histogram(&H, &buckets.with_exemplar(Some(exemplar)), Some(1_000_000));
    }
}

#[track_caller]
fn check(accept: &str, expected: &str) {
    assert_eq!(String::from_utf8(exposition(accept, Families)).unwrap(), expected);
}

#[test]
fn text_formats_differ_in_names_created_times_and_exemplars() {
    check(
        "*/*",
        "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"q\\\"b\\\\n\\n\",y=\"\"} 3\n\
         a_total{x=\"1\",y=\"2\"} 4\na_total{x=\"1\"} 5\n\
         # HELP b Others.\n# TYPE b gauge\nb 0.5\n\
         # HELP none Nothing.\n# TYPE none gauge\n\
         # HELP h Sizes.\n# TYPE h histogram\nh_bucket{x=\"1\",le=\"256.0\"} 2\nh_bucket{x=\"1\",le=\"1024.0\"} 4\n\
         h_bucket{x=\"1\",le=\"+Inf\"} 5\nh_sum{x=\"1\"} 1073742624\nh_count{x=\"1\"} 5\n",
    );
    check(
        "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
        "# HELP a Things.\n# TYPE a counter\na_total{x=\"q\\\"b\\\\n\\n\",y=\"\"} 3\n\
         a_total{x=\"1\",y=\"2\"} 4\na_total{x=\"1\"} 5\na_created{x=\"1\"} 1.5\n\
         # HELP b Others.\n# TYPE b gauge\nb 0.5\n\
         # HELP none Nothing.\n# TYPE none gauge\n\
         # HELP h Sizes.\n# TYPE h histogram\nh_bucket{x=\"1\",le=\"256.0\"} 2\n\
         h_bucket{x=\"1\",le=\"1024.0\"} 4 # {request_id_hash=\"00000007\"} 0.0007 2.000001\n\
         h_bucket{x=\"1\",le=\"+Inf\"} 5\nh_sum{x=\"1\"} 1073742624\nh_count{x=\"1\"} 5\nh_created{x=\"1\"} 1\n\
         # EOF\n",
    );
}

#[test]
fn protobuf_has_the_same_values_with_created_times_and_native_buckets() {
    let messages = read(&exposition(PROTOBUF, Families));
    let heads: Vec<_> = messages.iter().map(|it| (&*it.name, &*it.help, it.kind, it.metric.len())).collect();
    assert_eq!(heads, [("a_total", "Things.", 0, 3), ("b", "Others.", 1, 1), ("h", "Sizes.", 4, 1)]);
    let labels = |metric: &client::Metric| -> Vec<String> {
        metric.label.iter().map(|label| format!("{}={}", label.name, label.value)).collect()
    };
    let [counters, gauges, histograms] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(
        counters.metric.iter().map(labels).collect::<Vec<_>>().concat(),
        ["x=q\"b\\n\n", "y=", "x=1", "y=2", "x=1"]
    );
    let counts = counters.metric.iter().map(|metric| metric.counter.clone().unwrap());
    let at = |seconds, nanos| Some(client::Timestamp { seconds, nanos });
    let counts: Vec<_> = counts.map(|it| (it.value, it.created)).collect();
    assert_eq!(counts, [(3.0, None), (4.0, None), (5.0, at(1, 500_000_000))]);
    assert_eq!(gauges.metric[0].gauge.clone().unwrap().value, 0.5);
    let it = histograms.metric[0].histogram.clone().unwrap();
    assert_eq!((it.sample_count, it.sample_sum, it.created), (5, 1_073_742_624.0, at(1, 0)));
    let classic: Vec<_> = it.bucket.iter().map(|it| (it.upper_bound, it.cumulative_count)).collect();
    assert_eq!(classic, [(256.0, 2), (1_024.0, 4)]);
    let mark = it.bucket[1].exemplar.clone().unwrap();
    assert_eq!((mark.value, mark.timestamp, &*mark.label[0].value), (0.0007, at(2, 1_000), "00000007"));
    assert_eq!((it.schema, it.zero_count), (2, 1));
    assert!(it.zero_threshold > 0.0 && it.zero_threshold < 1e-30);
    // 200 is in bucket 31 of scale 2, 300 in 33, 2^30 in 120.
    let spans: Vec<_> = it.positive_span.iter().map(|it| (it.offset, it.length)).collect();
    assert_eq!((spans, it.positive_delta), (vec![(31, 1), (1, 1), (86, 1)], vec![1, 1, -1]));
}

/// A gauge with so many series.
struct Gauges(u64);

impl Metrics for Gauges {
    fn visit(self, to: &mut impl Visitor) {
        to.family(&B);
        for value in 0..self.0 {
            if to.is_stopped() {
                return;
            }
            to.series(&[("x", &value.to_string())]);
            to.number(&B, None, value.into(), None);
        }
    }
}

#[test]
fn parts_have_a_bounded_size_and_end_with_the_receiver() {
    for accept in ["*/*", "application/openmetrics-text", PROTOBUF] {
        let mut sizes = Vec::new();
        write(accept, Gauges(100_000), &mut |part| {
            sizes.push(part.len());
            true
        });
        assert!(sizes.len() > 3 && sizes.iter().all(|size| *size < PART_BYTES + (1 << 10)), "{sizes:?}");
        let mut parts = 0;
        write(accept, Gauges(100_000), &mut |_| {
            parts += 1;
            parts < 2
        });
        assert_eq!(parts, 2);
    }
}

#[test]
fn a_family_of_many_series_comes_as_several_messages() {
    let families = read(&exposition(PROTOBUF, Gauges(40_000)));
    let is_head = |it: &client::MetricFamily| it.name == "b" && it.help == "Others." && it.kind == 1;
    assert!(families.len() > 2 && families.iter().all(is_head));
    let values: Vec<_> =
        families.iter().flat_map(|it| &it.metric).map(|it| it.gauge.clone().unwrap().value).collect();
    assert!(values.len() == 40_000 && values.is_sorted());
}
