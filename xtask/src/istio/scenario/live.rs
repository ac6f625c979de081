//! The filter on a live mesh: applied, reconfigured, replaced and deleted under traffic.

use super::traffic::{OUTSIDE, begin, gateway, send_to_gateway};
use super::{Outcome, Series};
use crate::istio::{cluster, mesh, registry, run};
use crate::{package, workspace};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Proxies that carry the scenarios' traffic.
const PROXIES: [&str; 4] = ["ingressgateway", "frontend-v1", "backend-v1", "backend-v2"];

/// Runs the scenario.
pub(super) fn execute(outcome: &mut Outcome) -> anyhow::Result<()> {
    applied(outcome)?;
    changed(outcome)?;
    deleted(outcome)
}

/// Applies the filter to all its namespaces, with a report interval.
pub(super) fn apply(image: &registry::Image, report_interval_ms: u64) -> anyhow::Result<()> {
    for namespace in mesh::FILTERED {
        let plugin = mesh::plugin_of("wasmplugin-http.yaml", namespace, image)?;
        let setting = format!("  pluginConfig:\n    report_interval_ms: {report_interval_ms}\n");
        cluster::apply(&plugin.replace("  pluginConfig:\n", &setting))?;
    }
    Ok(())
}

/// Deletes the filter.
pub(super) fn delete() -> anyhow::Result<()> {
    for namespace in mesh::FILTERED {
        cluster::delete(&mesh::plugin("wasmplugin-http.yaml", namespace)?)?;
    }
    Ok(())
}

/// Returns the requests that each proxy's filter has seen, by workload.
fn seen_by_proxy() -> anyhow::Result<BTreeMap<&'static str, i64>> {
    let proxies = mesh::collector("/api/v1/proxies")?;
    let rows = proxies.get("proxies").and_then(Value::as_array).cloned().unwrap_or_default();
    let seen = |workload: &str| {
        let of = rows.iter().filter(|row| cluster::text(row, "/proxy").contains(&format!("~{workload}-")));
        of.filter_map(|row| row.get("seen")?.as_i64()).sum()
    };
    Ok(PROXIES.map(|workload| (workload, seen(workload))).into())
}

fn applied(outcome: &mut Outcome) -> anyhow::Result<()> {
    const RATE: u64 = 20;
    let deleted = Instant::now();
    delete()?;
    drained(deleted, outcome)?;
    let before = seen_by_proxy()?;
    let url = format!("load --url {}/call/backend.shop:8080/ --host shop.example.com", gateway());
    let traffic = begin(OUTSIDE, &format!("{url} --rate {RATE} --seconds 70"))?;
    std::thread::sleep(Duration::from_secs(5));
    let unfiltered = seen_by_proxy()?;
    let shown = format!("{before:?}, after 5 s {unfiltered:?}");
    outcome.check("no request is reported without the filter", unfiltered == before, shown);
    let start = Instant::now();
    apply(&registry::image()?, 500)?;
    let mut first = BTreeMap::new();
    let mut history = vec![(0.0, before.clone())];
    while start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(250));
        let (now, at_s) = (seen_by_proxy()?, start.elapsed().as_secs_f64());
        for (workload, seen) in &now {
            if before.get(workload) != Some(seen) {
                first.entry(*workload).or_insert(at_s);
            }
        }
        history.push((at_s, now));
    }
    let load = traffic.end()?;
    outcome.check("no request failed", load.with("200") == load.sent, load.show());
    let slowest = first.values().fold(0.0, |a: f64, b| a.max(*b));
    outcome.check(
        "every proxy reports within 5 s of kubectl apply",
        first.len() == PROXIES.len() && slowest <= 5.0,
        format!("{first:.1?} s"),
    );
    for workload in PROXIES {
        let all = all_seen_from(&history, workload);
        outcome.figure(&format!("steady_from_s {workload}"), all);
    }
    Ok(())
}

/// Waits until the last connection with the filter is drained.
fn drained(deleted: Instant, outcome: &mut Outcome) -> anyhow::Result<()> {
    let mut last_report = Instant::now();
    let mut before = seen_by_proxy()?;
    // An idle connection keeps the old filters this long (Istio's `drainDuration`).
    let closed = Duration::from_secs(50);
    run::wait_for("the last report after the filter is deleted", Duration::from_secs(120), || {
        send_to_gateway("/call/backend.shop:8080/", 10, 20)?;
        let now = seen_by_proxy()?;
        if now != before {
            last_report = Instant::now();
        }
        before = now;
        let over = deleted.elapsed() > closed && last_report.elapsed() > Duration::from_secs(12);
        Ok(over.then_some(()))
    })?;
    outcome.figure("deleted: last report after, s", (last_report - deleted).as_secs_f64());
    Ok(())
}

/// Returns the time from which the seen requests grew as steadily as in the last ten seconds.
fn all_seen_from(history: &[(f64, BTreeMap<&str, i64>)], workload: &str) -> Option<f64> {
    let seen = |at: f64| {
        let known = history.iter().take_while(|(at_s, _)| *at_s <= at).last();
        known.and_then(|(_, seen)| seen.get(workload)).copied().unwrap_or(0)
    };
    let rate = |from: f64| (seen(from + 5.0) - seen(from)) as f64 / 5.0;
    let last = rate(54.0);
    (0..54).map(f64::from).find(|from| rate(*from) >= last * 0.95)
}

fn changed(outcome: &mut Outcome) -> anyhow::Result<()> {
    const RATE: u64 = 500;
    const SECONDS: u64 = 30;
    let other = other_module()?;
    // Connections of the old filter are drained by now; requests on remaining ones would be missing
    // below.
    let before = Series::when_quiet()?;
    let ledger_before = ledger()?;
    let arguments = format!("load --url http://backend.shop:8080/ --rate {RATE} --seconds {SECONDS}");
    let traffic = begin("frontend-v1", &arguments)?;
    let image = registry::image()?;
    for report_interval_ms in [1_000, 2_000, 700] {
        std::thread::sleep(Duration::from_secs(5));
        apply(&image, report_interval_ms)?;
    }
    std::thread::sleep(Duration::from_secs(5));
    apply(&other, 700)?;
    let load = traffic.end()?;
    outcome.check(
        "no request failed while the configuration changed three times and the module once",
        load.with("200") == load.sent,
        load.show(),
    );
    let seen = Series::when_quiet()?.since(&before);
    let edge = "source_workload=frontend-v1 destination_service=backend.shop.svc.cluster.local";
    outcome.equal(
        "each request reported by the source",
        load.sent,
        seen.sum(&format!("reporter=source {edge}")),
    );
    outcome.equal(
        "each request reported by the destination",
        load.sent,
        seen.sum(&format!("reporter=destination {edge}")),
    );
    let ledger = ledger()?;
    for (name, value) in &ledger {
        let change = value - ledger_before.get(name).copied().unwrap_or(0);
        outcome.figure(&format!("ledger {name}"), change);
    }
    Ok(())
}

/// Returns the ledger's totals over all proxies.
fn ledger() -> anyhow::Result<BTreeMap<String, i64>> {
    let proxies = mesh::collector("/api/v1/proxies")?;
    let total = proxies.get("total").and_then(Value::as_object).cloned().unwrap_or_default();
    let wanted =
        ["seen", "delivered", "folded", "dropped", "missing", "in_flight", "unaccounted", "duplicates"];
    let of = |name: &str| total.get(name).and_then(Value::as_i64).unwrap_or(0);
    Ok(wanted.map(|name| (name.to_owned(), of(name))).into())
}

/// Pushes the same filter with another digest: a custom section is added to the module.
fn other_module() -> anyhow::Result<registry::Image> {
    let mut bytes = std::fs::read(workspace::target().join("hopscope_filter.wasm"))?;
    let name = b"hopscope.other";
    bytes.extend([0, name.len() as u8 + 1, name.len() as u8]);
    bytes.extend(name);
    let path = run::folder().join("other.wasm");
    std::fs::write(&path, bytes)?;
    package::write(&path, "-other")?;
    registry::push_as("-other")
}

fn deleted(outcome: &mut Outcome) -> anyhow::Result<()> {
    let traffic = begin("frontend-v1", "load --url http://backend.shop:8080/ --rate 100 --seconds 30")?;
    std::thread::sleep(Duration::from_secs(5));
    delete()?;
    let load = traffic.end()?;
    outcome.check("deleted under traffic: no request failed", load.with("200") == load.sent, load.show());
    Series::when_quiet()?;
    let liveness = run::wait_for("every proxy known to have no filter", Duration::from_secs(60), || {
        let liveness = liveness()?;
        Ok(liveness.values().all(|liveness| liveness != "reporting").then_some(liveness))
    });
    let shown =
        liveness.as_ref().map_or_else(|error| format!("{error:#}"), |liveness| format!("{liveness:?}"));
    outcome.check(
        "the collector reports which proxies ended",
        liveness.is_ok_and(|all| all.len() == PROXIES.len()),
        shown,
    );
    apply(&registry::image()?, 5_000)
}

/// Returns the liveness of each proxy: `reporting`, `idle` or `not_reporting`.
fn liveness() -> anyhow::Result<BTreeMap<&'static str, String>> {
    let proxies = mesh::collector("/api/v1/proxies")?;
    let rows = proxies.get("proxies").and_then(Value::as_array).cloned().unwrap_or_default();
    let state = |workload: &'static str| {
        let row = rows.iter().find(|row| cluster::text(row, "/proxy").contains(&format!("~{workload}-")))?;
        Some((workload, cluster::text(row, "/state").to_owned()))
    };
    Ok(PROXIES.into_iter().filter_map(state).collect())
}

/// Returns the source of a workload's records: `filter`, `als`, or both.
pub(super) fn source(workload: &str) -> anyhow::Result<String> {
    let proxies = mesh::collector("/api/v1/proxies")?;
    let rows = proxies.get("proxies").and_then(Value::as_array).cloned().unwrap_or_default();
    let of = rows.iter().filter(|row| cluster::text(row, "/proxy").contains(&format!("~{workload}-")));
    Ok(of.map(|row| cluster::text(row, "/source")).collect::<Vec<_>>().join(" "))
}
