//! Failures of the module's download (missing, wrong sha256, registry down): traffic continues, and
//! the operator sees the cause.

use super::traffic::send;
use super::{Outcome, Series, wait_until_pushed};
use crate::istio::{cluster, mesh, pods, registry, run, workload};
use anyhow::Context;
use std::time::{Duration, Instant};

const FROM: &str = "frontend-v1";

/// Runs the scenario.
pub(super) fn execute(outcome: &mut Outcome) -> anyhow::Result<()> {
    let image = registry::image()?;
    let missing = registry::Image { name: image.name.replace(":0.1.0", ":missing"), digest: "1".repeat(64) };
    unfetched(outcome, "the module is missing at its URL", &missing)?;
    let other =
        registry::Image { name: image.name.replace(":0.1.0", ":0.1.0-artifact"), digest: "2".repeat(64) };
    unfetched(outcome, "a wrong sha256", &other)?;
    restored(outcome, "the right image again, without a restart")?;
    registry_down(outcome)
}

/// Applies the plugin with an image that no agent can fetch: traffic continues without records.
fn unfetched(outcome: &mut Outcome, what: &str, image: &registry::Image) -> anyhow::Result<()> {
    let before_log = agent_lines()?;
    cluster::apply(&mesh::plugin_of("wasmplugin-http.yaml", "shop", image)?)?;
    let traffic = send(FROM, "http://backend.shop:8080/", 400, 20)?;
    outcome.check(format!("{what}: traffic continues"), traffic.with("200") == traffic.sent, traffic.show());
    wait_until_pushed()?;
    let before = Series::when_quiet()?;
    let traffic = send(FROM, "http://backend.shop:8080/", 40, 20)?;
    let seen = Series::when_quiet()?.since(&before);
    let of = seen.sum(&format!("reporter=source source_workload={FROM}"));
    outcome.check(
        format!("{what}: no request is reported, all are answered"),
        of == 0 && traffic.with("200") == 40,
        format!("{of} reported; {}", traffic.show()),
    );
    let lines = agent_lines()?;
    let logged: Vec<String> = lines.into_iter().filter(|line| !before_log.contains(line)).take(3).collect();
    outcome.check(format!("{what}: the agent logs the cause"), !logged.is_empty(), logged.join(" | "));
    let stats = mesh::admin(FROM, "config_dump?resource=ecds_filters")?;
    let stand_in = stats.contains("wasm-default-allow");
    outcome.check(
        format!("{what}: Envoy has Istio's allow-all in its place"),
        stand_in,
        stand_in.to_string(),
    );
    Ok(())
}

/// Log lines of the agent about modules.
fn agent_lines() -> anyhow::Result<Vec<String>> {
    let log = std::fs::read_to_string(run::log(&format!("{FROM}.proxy")))?;
    let about = |line: &&str| line.contains("wasm") && (line.contains("error") || line.contains("warn"));
    Ok(log.lines().filter(about).map(str::to_owned).collect())
}

pub(super) fn restored(outcome: &mut Outcome, what: &str) -> anyhow::Result<()> {
    cluster::apply(&mesh::plugin("wasmplugin-http.yaml", "shop")?)?;
    wait_until_pushed()?;
    std::thread::sleep(Duration::from_secs(2));
    let before = Series::when_quiet()?;
    send(FROM, "http://backend.shop:8080/", 40, 20)?;
    let seen = Series::when_quiet()?.since(&before);
    outcome.equal(what, 40, seen.sum(&format!("reporter=source source_workload={FROM}")));
    Ok(())
}

fn registry_down(outcome: &mut Outcome) -> anyhow::Result<()> {
    registry::stop()?;
    restored(outcome, "registry down: a proxy with the module continues and reports")?;
    let workloads = workload::read(&super::scenario_file("late.yaml")?)?;
    let workload = workloads.first().context("there is no late pod")?;
    let start = Instant::now();
    let pod = pods::start(workload, &run::envoy()?)?;
    mesh::add_pod(&pod)?;
    pods::wait_proxy(&pod)?;
    outcome.figure("registry down: a new proxy is ready after, s", start.elapsed().as_secs_f64());
    pods::start_application(&pod, workload)?;
    let result = late_proxy(outcome, &workload.name);
    pods::end(&pod)?;
    mesh::remove_pod(&pod)?;
    result
}

/// Checks a proxy that started while the registry was down, before and after the registry's return.
fn late_proxy(outcome: &mut Outcome, late: &str) -> anyhow::Result<()> {
    let traffic = send(late, "http://backend.shop:8080/", 40, 20)?;
    outcome.check(
        "registry down: the traffic of a new proxy continues",
        traffic.with("200") == 40,
        traffic.show(),
    );
    let log = std::fs::read_to_string(run::log(&format!("{late}.proxy")))?;
    let logged = log.lines().rfind(|line| line.contains("wasm") && line.contains("10.244.0.1"));
    outcome.check("registry down: its agent logs the cause", logged.is_some(), logged.unwrap_or_default());
    registry::start()?;
    registry::push()?;
    let reported = |before: &Series| -> anyhow::Result<u64> {
        send(late, "http://backend.shop:8080/", 20, 20)?;
        Ok(Series::when_quiet()?.since(before).sum(&format!("reporter=source source_workload={late}")))
    };
    let unaided = reported(&Series::when_quiet()?)?;
    outcome.figure("registry back: requests reported by the new proxy without a push, of 20", unaided);
    // The agent does not retry until the next push of the plugin.
    let plugin = mesh::plugin("wasmplugin-http.yaml", "shop")?;
    cluster::apply(&plugin.replace("  pluginConfig:\n", "  pluginConfig:\n    slow_ms: 900\n"))?;
    wait_until_pushed()?;
    std::thread::sleep(Duration::from_secs(3));
    outcome.equal(
        "registry back and the plugin changed: requests reported by the new proxy",
        20,
        reported(&Series::when_quiet()?)?,
    );
    cluster::apply(&plugin).map(drop)
}
