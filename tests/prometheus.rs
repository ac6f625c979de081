//! Scrapes of `/metrics` by a real Prometheus: protobuf with native histograms, text without.
//!
//! In: a mesh with traffic. Out: answers to queries.

use crate::{metrics, parts};
use hopscope_mesh::address::free_local_port;
use hopscope_mesh::collector::{Collector, CollectorAddress};
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::fetch;
use hopscope_mesh::process::Process;
use hopscope_mesh::traffic::{Mix, drive};
use hopscope_proto::v1::telemetry_client::TelemetryClient;
use hopscope_proto::v1::{Batch, Edge, Identity, Ledger, Outcome, Records};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::transport::Endpoint;

/// Longest wait for a value: the start of the server and some scrapes, one per second.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
const DURATION: &str = "hopscope_request_duration_seconds";

/// A server that scrapes the collector.
struct Prometheus {
    http: SocketAddr,
    process: Process,
    _data: tempfile::TempDir,
}

impl Prometheus {
    fn start(collector: SocketAddr, features: &str) -> Self {
        Self::scraping(&format!("static_configs: [{{targets: ['{collector}']}}]"), features)
    }

    /// Starts a server with this scrape configuration, beside the name of the job.
    fn scraping(scrape: &str, features: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("prometheus.yml");
        let scrape = format!("{{job_name: hopscope, {scrape}}}");
        std::fs::write(&file, format!("global: {{scrape_interval: 1s}}\nscrape_configs: [{scrape}]\n"))
            .unwrap();
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, free_local_port().unwrap()));
        let mut command = Command::new(parts::path("HOPSCOPE_PROMETHEUS"));
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", data.path().join("data").display()));
        command.arg(format!("--web.listen-address={http}"));
        command.arg(format!("--enable-feature={features}"));
        command.args(["--log.level=error"]).stdin(Stdio::null());
        Self { http, process: Process::start("prometheus", command).unwrap(), _data: data }
    }

    /// Value of the only series of a query's result.
    async fn value(&self, query: &str) -> Option<f64> {
        let query = percent_encoding::utf8_percent_encode(query, percent_encoding::NON_ALPHANUMERIC);
        let answer = fetch::json(self.http, &format!("/api/v1/query?query={query}")).await.ok()?;
        let found = answer.pointer("/data/result")?.as_array()?;
        assert!(found.len() <= 1, "{answer}");
        found.first()?.pointer("/value/1")?.as_str()?.parse().ok()
    }

    /// Waits until a query returns this value.
    async fn until(&self, query: &str, expected: u64) {
        let mut last = None;
        let seen = eventually(query, SEEN_WITHIN, async || {
            last = self.value(query).await;
            last.filter(|value| *value == expected as f64)
        });
        let seen = seen.await;
        assert!(seen.is_ok(), "{query}: {last:?}, not {expected}");
    }

    async fn exemplars(&self) -> Vec<Value> {
        let path = format!("/api/v1/query_exemplars?query={DURATION}_bucket&start=0&end=9999999999");
        let answer = fetch::json(self.http, &path).await.unwrap();
        answer.pointer("/data").unwrap().as_array().unwrap().clone()
    }

    async fn stop(self) {
        self.process.stop(Duration::from_secs(10)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_native_histograms_and_classic_ones() {
    let mesh = parts::start(parts::observed()).await;
    drive(&mesh.client(), 500, &Mix::faulty(0.1), 16).await;
    mesh.balanced(parts::BALANCED_WITHIN).await.unwrap();
    let http = mesh.collector().unwrap().http();
    let requests = metrics::sum(&metrics::text(&mesh).await, "hopscope_requests_total");
    assert!(requests > 1_000, "{requests}");

    let native = Prometheus::start(http, "native-histograms,exemplar-storage");
    let classic = Prometheus::start(http, "exemplar-storage");
    for (server, count) in
        [(&native, format!("histogram_count(sum({DURATION}))")), (&classic, format!("sum({DURATION}_count)"))]
    {
        server.until("sum(hopscope_requests_total)", requests).await;
        server.until(&count, requests).await;
    }
    assert_eq!(native.value(&format!("sum({DURATION}_count)")).await, None, "no classic series beside it");
    for name in [DURATION, "hopscope_request_bytes", "hopscope_response_bytes"] {
        let sum = native.value(&format!("histogram_sum(sum({name}))")).await.unwrap();
        let other = classic.value(&format!("sum({name}_sum)")).await.unwrap();
        assert!((sum - other).abs() <= 1e-6 * other, "{name}: {sum} and {other}");
        // Prometheus interpolates within a classic bucket; the upper bound of the widest is four
        // times its lower bound.
        let median = native.value(&format!("histogram_quantile(0.5, sum({name}))")).await.unwrap();
        let estimate =
            classic.value(&format!("histogram_quantile(0.5, sum by (le) ({name}_bucket))")).await.unwrap();
        assert!(median > estimate / 5.0 && median < estimate * 5.0, "{name}: {median} and about {estimate}");
    }
    let exemplars = classic.exemplars().await;
    assert!(!exemplars.is_empty(), "no exemplars");
    native.stop().await;
    classic.stop().await;
    mesh.stop().await.unwrap();
}

/// A collector without a mesh, and the number of its last batch.
struct Alone {
    collector: Collector,
    sequence: u64,
    seen: u64,
    _folder: tempfile::TempDir,
}

impl Alone {
    async fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (address, log) = (CollectorAddress::choose().unwrap(), folder.path().join("log"));
        let collector = Collector::new(parts::path("HOPSCOPE_COLLECTOR"), address, log);
        let mut collector = collector.with_options(options);
        collector.start().await.unwrap();
        Self { collector, sequence: 0, seen: 0, _folder: folder }
    }

    /// Reports requests of one edge with these durations, as one batch per thousand.
    async fn report(&mut self, durations_us: &[u32]) {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.collector.grpc())).unwrap();
        let mut client = TelemetryClient::new(endpoint.connect().await.unwrap());
        for durations_us in durations_us.chunks(1_000) {
            self.sequence += 1;
            self.seen += durations_us.len() as u64;
            client.report(self.batch(durations_us)).await.unwrap();
        }
    }

    fn batch(&self, durations_us: &[u32]) -> Batch {
        let now_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let count = durations_us.len();
        let identity = Identity { workload: "shop".into(), namespace: "shop".into(), ..Identity::default() };
        Batch {
            schema_version: 1,
            proxy: "sidecar~10.0.0.1~shop-7d9c.shop~shop.svc.cluster.local".into(),
            epoch: 7,
            sequence: self.sequence,
            identity: Some(identity),
            ledger: Some(Ledger { seen_total: self.seen, sent_total: self.seen, ..Ledger::default() }),
            base_time_unix_us: u64::try_from(now_us).unwrap(),
            strings: vec![String::new(), "db.shop.svc.cluster.local".into()],
            edges: vec![Edge { reporter: 1, service_host: 1, service_evidence: 1, ..Edge::default() }],
            outcomes: vec![Outcome { response_code: 200, protocol: 1, ..Outcome::default() }],
            records: Some(Records {
                edge: vec![0; count],
                outcome: vec![0; count],
                start_delta_us: vec![0; count],
                duration_us: durations_us.iter().copied().map(Into::into).collect(),
                request_bytes: vec![10; count],
                response_bytes: vec![20; count],
                request_id_hash: vec![0; count],
                attempts: vec![1; count],
            }),
            ..Batch::default()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_outlier_is_no_counter_reset_of_a_native_histogram() {
    let mut alone = Alone::start(&[]).await;
    let server = Prometheus::start(alone.collector.http(), "native-histograms");
    // Four octaves around 4 ms, evenly by logarithm.
    let duration_us = |number: u32| (1_000.0 * (4.0 * f64::from(number) / 100_000.0).exp2()) as u32;
    alone.report(&(0..100_000).map(duration_us).collect::<Vec<_>>()).await;
    server.until(&format!("histogram_count(sum({DURATION}))"), 100_000).await;
    server.until(&format!("histogram_count(sum(increase({DURATION}[8s])))"), 0).await;
    alone.report(&[1_000_000]).await;
    server.until(&format!("histogram_count(sum({DURATION}))"), 100_001).await;
    let increase = server.value(&format!("histogram_count(sum(increase({DURATION}[8s])))")).await.unwrap();
    assert!((0.5..3.0).contains(&increase), "{increase}");
    assert_eq!(server.value(&format!("sum(resets({DURATION}[1m]))")).await, Some(0.0));
    // The outlier is at the upper bound of its bucket.
    let slowest = format!("histogram_quantile(1, sum({DURATION}))");
    assert_eq!(server.value(&slowest).await, Some(1.0));
    server.stop().await;
    alone.collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_limit_of_30_accepts_the_target_with_its_own_labels() {
    for (labels, is_up) in [(None, 1), (Some("all"), 0)] {
        let options = labels.map(|labels| ["--metrics-labels", labels]);
        let mut alone = Alone::start(options.as_ref().map_or(&[], |options| &options[..])).await;
        alone.report(&[4_000; 10]).await;
        let target = format!(
            "label_limit: 30, static_configs: [{{targets: ['{}'], labels: {{namespace: shop, pod: hopscope-0, \
             container: hopscope, endpoint: http, service: hopscope}}}}]",
            alone.collector.http()
        );
        let server = Prometheus::scraping(&target, "exemplar-storage");
        if is_up == 1 {
            server.until("sum(hopscope_requests_total)", 10).await;
            server.until(&format!("sum({DURATION}_count)"), 10).await;
        }
        server.until("up", is_up).await;
        server.stop().await;
        alone.collector.stop().await.unwrap();
    }
}
