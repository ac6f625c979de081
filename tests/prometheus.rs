//! Scrapes of `/metrics` by a real Prometheus: protobuf with native histograms, text without.
//!
//! In: a mesh with traffic. Out: answers to queries.

use crate::{metrics, parts};
use hopscope_mesh::address::free_local_port;
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::fetch;
use hopscope_mesh::process::Process;
use hopscope_mesh::traffic::{Mix, drive};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

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
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("prometheus.yml");
        let scrape = format!("{{job_name: hopscope, static_configs: [{{targets: ['{collector}']}}]}}");
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
