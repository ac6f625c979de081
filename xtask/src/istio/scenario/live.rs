//! The filter on a live mesh: applied, reconfigured, replaced, deleted, while traffic goes on.

use super::traffic::{OUTSIDE, begin, gateway, visit};
use super::{Series, Tale};
use crate::istio::{cluster, mesh, registry, run};
use crate::{package, workspace};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Proxies that carry the scenarios' traffic.
const PROXIES: [&str; 4] = ["ingressgateway", "frontend-v1", "backend-v1", "backend-v2"];

pub(super) fn tell(tale: &mut Tale) -> anyhow::Result<()> {
    applied(tale)?;
    changed(tale)?;
    deleted(tale)
}

/// Applies the filter to all its namespaces, with some settings more.
pub(super) fn apply(image: &registry::Image, report_interval_ms: u64) -> anyhow::Result<()> {
    for namespace in mesh::FILTERED {
        let plugin = mesh::plugin_of("wasmplugin-http.yaml", namespace, image)?;
        let setting = format!("  pluginConfig:\n    report_interval_ms: {report_interval_ms}\n");
        cluster::apply(&plugin.replace("  pluginConfig:\n", &setting))?;
    }
    Ok(())
}

/// Takes the filter away.
pub(super) fn delete() -> anyhow::Result<()> {
    for namespace in mesh::FILTERED {
        cluster::delete(&mesh::plugin("wasmplugin-http.yaml", namespace)?)?;
    }
    Ok(())
}

/// Requests that each proxy's filter has ever seen, by workload.
fn books() -> anyhow::Result<BTreeMap<&'static str, i64>> {
    let books = mesh::collector("/api/v1/proxies")?;
    let rows = books.get("proxies").and_then(Value::as_array).cloned().unwrap_or_default();
    let seen = |workload: &str| {
        let of = rows.iter().filter(|row| cluster::text(row, "/proxy").contains(&format!("~{workload}-")));
        of.filter_map(|row| row.get("seen")?.as_i64()).sum()
    };
    Ok(PROXIES.map(|workload| (workload, seen(workload))).into())
}

fn applied(tale: &mut Tale) -> anyhow::Result<()> {
    const RATE: u64 = 20;
    let deleted = Instant::now();
    delete()?;
    drained(deleted, tale)?;
    let before = books()?;
    let url = format!("load --url {}/call/backend.shop:8080/ --host shop.example.com", gateway());
    let traffic = begin(OUTSIDE, &format!("{url} --rate {RATE} --seconds 70"))?;
    std::thread::sleep(Duration::from_secs(5));
    let unfiltered = books()?;
    let shown = format!("{before:?}, after 5 s {unfiltered:?}");
    tale.check("nothing is told while there is no filter", unfiltered == before, shown);
    let start = Instant::now();
    apply(&registry::image()?, 500)?;
    let mut first = BTreeMap::new();
    let mut history = vec![(0.0, before.clone())];
    while start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(250));
        let (now, at_s) = (books()?, start.elapsed().as_secs_f64());
        for (workload, seen) in &now {
            if before.get(workload) != Some(seen) {
                first.entry(*workload).or_insert(at_s);
            }
        }
        history.push((at_s, now));
    }
    let load = traffic.end()?;
    tale.check("no request failed", load.with("200") == load.sent, load.show());
    let slowest = first.values().fold(0.0, |a: f64, b| a.max(*b));
    tale.check(
        "every proxy reports within 5 s of kubectl apply",
        first.len() == PROXIES.len() && slowest <= 5.0,
        format!("{first:.1?} s"),
    );
    for workload in PROXIES {
        let all = all_seen_from(&history, workload);
        tale.figure(&format!("steady_from_s {workload}"), all);
    }
    Ok(())
}

/// Waits until the filter is gone from the last connection, too.
fn drained(deleted: Instant, tale: &mut Tale) -> anyhow::Result<()> {
    let mut last_told = Instant::now();
    let mut before = books()?;
    // A connection that nobody uses keeps the old filters for so long (Istio's `drainDuration`).
    let closed = Duration::from_secs(50);
    run::wait_for("an end of what is told after the filter is deleted", Duration::from_secs(120), || {
        visit("/call/backend.shop:8080/", 10, 20)?;
        let now = books()?;
        if now != before {
            last_told = Instant::now();
        }
        before = now;
        let over = deleted.elapsed() > closed && last_told.elapsed() > Duration::from_secs(12);
        Ok(over.then_some(()))
    })?;
    tale.figure("deleted: last told after, s", (last_told - deleted).as_secs_f64());
    Ok(())
}

/// From when on what was seen grew as steadily as in the last ten seconds.
fn all_seen_from(history: &[(f64, BTreeMap<&str, i64>)], workload: &str) -> Option<f64> {
    let seen = |at: f64| {
        let known = history.iter().take_while(|(at_s, _)| *at_s <= at).last();
        known.and_then(|(_, books)| books.get(workload)).copied().unwrap_or(0)
    };
    let rate = |from: f64| (seen(from + 5.0) - seen(from)) as f64 / 5.0;
    let last = rate(54.0);
    (0..54).map(f64::from).find(|from| rate(*from) >= last * 0.95)
}

fn changed(tale: &mut Tale) -> anyhow::Result<()> {
    const RATE: u64 = 500;
    const SECONDS: u64 = 30;
    let other = other_module()?;
    // Old connections are gone by now; the last of them shows in what is missing here.
    let before = Series::settled()?;
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
    tale.check(
        "no request failed while the configuration changed three times and the module once",
        load.with("200") == load.sent,
        load.show(),
    );
    let seen = Series::settled()?.since(&before);
    let edge = "source_workload=frontend-v1 destination_service=backend.shop.svc.cluster.local";
    tale.equal("each request told by the caller", load.sent, seen.sum(&format!("reporter=source {edge}")));
    tale.equal(
        "each request told by the called",
        load.sent,
        seen.sum(&format!("reporter=destination {edge}")),
    );
    let ledger = ledger()?;
    for (name, value) in &ledger {
        let change = value - ledger_before.get(name).copied().unwrap_or(0);
        tale.figure(&format!("ledger {name}"), change);
    }
    Ok(())
}

/// The sum of all books.
fn ledger() -> anyhow::Result<BTreeMap<String, i64>> {
    let books = mesh::collector("/api/v1/proxies")?;
    let total = books.get("total").and_then(Value::as_object).cloned().unwrap_or_default();
    let wanted =
        ["seen", "delivered", "folded", "dropped", "missing", "in_flight", "unaccounted", "duplicates"];
    let of = |name: &str| total.get(name).and_then(Value::as_i64).unwrap_or(0);
    Ok(wanted.map(|name| (name.to_owned(), of(name))).into())
}

/// The same filter as other bytes: with a section that no engine looks at.
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

fn deleted(tale: &mut Tale) -> anyhow::Result<()> {
    let traffic = begin("frontend-v1", "load --url http://backend.shop:8080/ --rate 100 --seconds 30")?;
    std::thread::sleep(Duration::from_secs(5));
    delete()?;
    let load = traffic.end()?;
    tale.check("deleted under traffic: no request failed", load.with("200") == load.sent, load.show());
    Series::settled()?;
    let standing =
        run::wait_for("every proxy without its filter known as such", Duration::from_secs(60), || {
            let standing = standing()?;
            Ok(standing.values().all(|standing| standing != "reporting").then_some(standing))
        });
    let shown =
        standing.as_ref().map_or_else(|error| format!("{error:#}"), |standing| format!("{standing:?}"));
    tale.check(
        "the collector says which proxies ended",
        standing.is_ok_and(|all| all.len() == PROXIES.len()),
        shown,
    );
    apply(&registry::image()?, 5_000)
}

/// Whether each proxy reports, is quiet, or is blind.
fn standing() -> anyhow::Result<BTreeMap<&'static str, String>> {
    let books = mesh::collector("/api/v1/proxies")?;
    let rows = books.get("proxies").and_then(Value::as_array).cloned().unwrap_or_default();
    let standing = |workload: &'static str| {
        let row = rows.iter().find(|row| cluster::text(row, "/proxy").contains(&format!("~{workload}-")))?;
        Some((workload, cluster::text(row, "/standing").to_owned()))
    };
    Ok(PROXIES.into_iter().filter_map(standing).collect())
}

/// How the requests of a workload's proxies come to be known: `filter`, `als`, or both.
pub(super) fn source(workload: &str) -> anyhow::Result<String> {
    let books = mesh::collector("/api/v1/proxies")?;
    let rows = books.get("proxies").and_then(Value::as_array).cloned().unwrap_or_default();
    let of = rows.iter().filter(|row| cluster::text(row, "/proxy").contains(&format!("~{workload}-")));
    Ok(of.map(|row| cluster::text(row, "/source")).collect::<Vec<_>>().join(" "))
}
