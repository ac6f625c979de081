//! A registry that accepts connections and never answers: traffic continues, and the operator sees
//! the cause.

use super::traffic::{begin, send};
use super::{Outcome, Series};
use crate::istio::{cluster, http, mesh, pods, registry, run, workload};
use anyhow::Context;
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const FROM: &str = "frontend-v1";

/// Longer than the fetch timeout of any agent.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Runs the scenario.
pub(super) fn execute(outcome: &mut Outcome) -> anyhow::Result<()> {
    registry::stop()?;
    let silent = SilentRegistry::bind(&registry::address())?;
    let result = hanging(outcome);
    outcome.figure("connections that the registry accepted and never answered", silent.end()?);
    registry::start()?;
    registry::push()?;
    result?;
    super::failures::restored(outcome, "the registry answers again: requests reported")
}

fn hanging(outcome: &mut Outcome) -> anyhow::Result<()> {
    super::failures::restored(
        outcome,
        "a registry that hangs: a proxy with the module continues and reports",
    )?;
    changed(outcome, "oci")?;
    changed(outcome, "http")?;
    new_proxy(outcome)
}

/// Applies a module that never arrives: the old one reports until the agent gives up.
fn changed(outcome: &mut Outcome, scheme: &str) -> anyhow::Result<()> {
    let what = format!("a hanging {scheme} URL");
    let image = registry::image()?;
    let plugin = mesh::plugin("wasmplugin-http.yaml", "shop")?;
    let other = match scheme {
        "oci" => plugin.replace(&image.name, &image.name.replace(":0.1.0", ":hangs")),
        _ => plugin
            .replace(&format!("oci://{}", image.name), &format!("http://{}/x.wasm", registry::address())),
    };
    let other = other.replace(&image.digest, &"3".repeat(64));
    let before = Series::when_quiet()?;
    let traffic = begin(FROM, "load --url http://backend.shop:8080/ --rate 20 --seconds 60")?;
    std::thread::sleep(Duration::from_secs(2));
    let start = Instant::now();
    cluster::apply(&other)?;
    std::thread::sleep(Duration::from_secs(5));
    outcome.figure(&format!("{what}: istiod has an acknowledgement after 5 s"), acknowledged()?);
    let gave_up_s = run::wait_for("Istio's allow-all in the module's place", TIMEOUT, || {
        let filters = mesh::admin(FROM, "config_dump?resource=ecds_filters")?;
        Ok(filters.contains("wasm-default-allow").then(|| start.elapsed().as_secs_f64()))
    })?;
    outcome.figure(&format!("{what}: the agent gives up after, s"), gave_up_s);
    let load = traffic.end()?;
    outcome.check(format!("{what}: traffic continues meanwhile"), load.with("200") == load.sent, load.show());
    let reported =
        Series::when_quiet()?.since(&before).sum(&format!("reporter=source source_workload={FROM}"));
    // Requests until the agent gave up, without those after it.
    let of_the_wait = (gave_up_s * 20.0) as u64;
    outcome.check(
        format!("{what}: the old module reports until then"),
        reported >= of_the_wait && reported < load.sent,
        format!("{reported} of {}, {of_the_wait} of them while the agent waits", load.sent),
    );
    let logged = last_error(FROM)?;
    outcome.check(format!("{what}: the agent logs the cause"), !logged.is_empty(), logged);
    let pod = mesh::pod(FROM)?;
    outcome.check(format!("{what}: the agent's fetch counters"), true, fetches(&pod.address)?);
    super::failures::restored(outcome, &format!("{what}: the old URL again, without a restart"))
}

/// Checks a proxy that starts while the registry hangs.
fn new_proxy(outcome: &mut Outcome) -> anyhow::Result<()> {
    let workloads = workload::read(&super::scenario_file("late.yaml")?)?;
    let workload = workloads.first().context("there is no late pod")?;
    let start = Instant::now();
    let pod = pods::start(workload, &run::envoy()?)?;
    mesh::add_pod(&pod)?;
    let ready = run::wait_for("a ready proxy", TIMEOUT, || {
        let answer = http::get(&pod.address, pod.ready_port, "/healthz/ready");
        Ok(answer.ok().filter(|answer| answer.status == 200).map(|_| start.elapsed().as_secs_f64()))
    });
    let result = ready.and_then(|after| {
        outcome.figure("a registry that hangs: a new proxy is ready after, s", after);
        pods::start_application(&pod, workload)?;
        let traffic = send(&workload.name, "http://backend.shop:8080/", 40, 20)?;
        let what = "a registry that hangs: the traffic of a new proxy continues";
        outcome.check(what, traffic.with("200") == 40, traffic.show());
        let logged = last_error(&workload.name)?;
        outcome.check("a registry that hangs: its agent logs the cause", !logged.is_empty(), logged);
        Ok(())
    });
    pods::end(&pod)?;
    mesh::remove_pod(&pod)?;
    result
}

/// Returns whether the proxy has acknowledged istiod's last push of modules.
fn acknowledged() -> anyhow::Result<bool> {
    let proxies: Vec<Value> = serde_json::from_str(&mesh::istiod("/debug/syncz")?)?;
    let proxy = proxies.iter().find(|proxy| cluster::text(proxy, "/proxy").starts_with(FROM));
    let proxy = proxy.context("istiod does not know the proxy")?;
    let of = |what: &str| cluster::text(proxy, &format!("/extensionconfig_{what}"));
    Ok(of("sent") == of("acked"))
}

/// Returns the agent's last log line about a module that it failed to fetch.
fn last_error(workload: &str) -> anyhow::Result<String> {
    let log = std::fs::read_to_string(run::log(&format!("{workload}.proxy")))?;
    let about = |line: &&str| line.contains("wasm") && line.contains("error");
    Ok(log.lines().rfind(about).unwrap_or_default().to_owned())
}

/// Returns the agent's counters of module fetches.
fn fetches(address: &str) -> anyhow::Result<String> {
    let metrics = http::get(address, 15020, "/stats/prometheus")?.body;
    let lines = metrics.lines().filter(|line| line.starts_with("istio_agent_wasm_remote_fetch_count"));
    Ok(lines.collect::<Vec<_>>().join(" "))
}

/// A server that accepts connections and never answers.
struct SilentRegistry {
    stop: Arc<AtomicBool>,
    acceptor: JoinHandle<Vec<TcpStream>>,
}

impl SilentRegistry {
    fn bind(address: &str) -> anyhow::Result<Self> {
        // The registry has just ended; its last connections may still be closing.
        let listener = run::wait_for("the registry's port", Duration::from_secs(10), || {
            Ok(Some(TcpListener::bind(address)?))
        })?;
        listener.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let acceptor = std::thread::spawn(move || {
            let mut connections = Vec::new();
            while !asked.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => connections.push(stream),
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
            connections
        });
        Ok(Self { stop, acceptor })
    }

    /// Ends the server and returns the number of connections.
    fn end(self) -> anyhow::Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        let connections = self
            .acceptor
            .join()
            .map_err(|_| anyhow::anyhow!("the thread of the silent registry panicked"))?;
        Ok(connections.len())
    }
}
