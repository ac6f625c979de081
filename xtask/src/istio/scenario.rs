//! End-to-end scenarios on a running Istio mesh.
//!
//! In: a running mesh.
//! Out: the checks of each scenario with the observed values, as text and as JSON.
//! Invariant: a scenario that ends with an error has failed; each scenario restores the mesh.

mod series;
mod traffic;
mod first;
mod edges;
mod flags;
mod live;
mod failures;
mod registry_hangs;
mod manifests;
mod collector_outside;
mod tcp;
mod access_log;

pub(super) use first::edges as first_edges;

use super::site::Site;
use super::{cluster, mesh, run};
use crate::progress::{answer, done, remark, step};
use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::Value;
use series::Series;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The result of a scenario.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outcome {
    scenario: String,
    passed: bool,
    took_s: f64,
    /// Comparisons of observed with expected values.
    checks: Vec<Check>,
    /// Measured values without an expectation.
    figures: BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Check {
    what: String,
    passed: bool,
    seen: String,
}

type Scenario = (&'static str, fn(&mut Outcome) -> anyhow::Result<()>);

/// All scenarios; the later ones disturb the mesh more.
const SCENARIOS: [Scenario; 9] = [
    ("manifests", manifests::execute),
    ("edges", edges::execute),
    ("flags", flags::execute),
    ("tcp", tcp::execute),
    ("access_log", access_log::execute),
    ("live", live::execute),
    ("failures", failures::execute),
    ("registry_hangs", registry_hangs::execute),
    ("collector_outside", collector_outside::execute),
];

/// Scenarios that run without pods, the first two in part.
const ON_LOOPBACK: [&str; 4] = ["manifests", "edges", "flags", "access_log"];

/// Runs the scenarios whose name contains this.
pub(super) fn execute(name: Option<&str>, json: bool) -> anyhow::Result<()> {
    step("this build's filter in every proxy of shop and ingress", mesh::refresh)?;
    let there = |scenario: &str| Site::here() == Site::Namespaces || ON_LOOPBACK.contains(&scenario);
    let chosen = SCENARIOS
        .iter()
        .filter(|(scenario, _)| there(scenario) && name.is_none_or(|name| scenario.contains(name)));
    let mut outcomes = Vec::new();
    for (scenario, execute) in chosen {
        let mut outcome = Outcome { scenario: (*scenario).to_owned(), ..Outcome::default() };
        let start = Instant::now();
        let result = step(&format!("scenario: {scenario}"), || execute(&mut outcome));
        outcome.took_s = start.elapsed().as_secs_f64();
        outcome.error = result.err().map(|error| format!("{error:#}"));
        outcome.passed = outcome.error.is_none() && outcome.checks.iter().all(|check| check.passed);
        outcome.show();
        outcomes.push(outcome);
    }
    if outcomes.is_empty() {
        let names: Vec<&str> = SCENARIOS.iter().map(|(scenario, _)| *scenario).collect();
        bail!("no scenario has this in its name; there are {}", names.join(", "));
    }
    if json {
        answer(&serde_json::to_string_pretty(&outcomes)?);
    }
    let failed: Vec<&str> =
        outcomes.iter().filter(|outcome| !outcome.passed).map(|outcome| outcome.scenario.as_str()).collect();
    if failed.is_empty() {
        done(&format!("{} scenarios passed", outcomes.len()));
        return Ok(());
    }
    bail!("failed scenarios: {}", failed.join(", "))
}

impl Outcome {
    /// Records the result of a check.
    fn check(&mut self, what: impl Into<String>, passed: bool, seen: impl Into<String>) {
        self.checks.push(Check { what: what.into(), passed, seen: seen.into() });
    }

    /// Records the comparison of two numbers.
    fn equal(&mut self, what: impl Into<String>, expected: u64, seen: u64) {
        self.check(what, seen == expected, format!("{seen}, expected {expected}"));
    }

    fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    fn show(&self) {
        for check in &self.checks {
            remark(&format!("{} {}: {}", if check.passed { "✓" } else { "✗" }, check.what, check.seen));
        }
        for (name, value) in &self.figures {
            remark(&format!("· {name}: {value}"));
        }
        if let Some(why) = &self.error {
            remark(&format!("✗ ended with an error: {why}"));
        }
    }
}

/// Manifests that are deleted when the scenario ends.
struct Applied(String);

impl Applied {
    /// Applies manifests and waits until every proxy has the configuration.
    fn new(manifests: &str) -> anyhow::Result<Self> {
        cluster::apply(manifests)?;
        let applied = Self(manifests.to_owned());
        wait_until_pushed()?;
        Ok(applied)
    }
}

impl Drop for Applied {
    fn drop(&mut self) {
        // An error here may mean that the machine is ending as well.
        let _ = cluster::delete(&self.0);
    }
}

/// Reads a manifest of the scenarios.
fn scenario_file(name: &str) -> anyhow::Result<String> {
    super::control_plane::mesh_file(&format!("scenarios/{name}"))
}

/// Waits until every proxy has acknowledged istiod's last push, after istiod's debounce time (100
/// ms).
fn wait_until_pushed() -> anyhow::Result<()> {
    std::thread::sleep(Duration::from_millis(500));
    run::wait_for("all proxies in step with istiod", Duration::from_secs(30), || {
        let text = mesh::istiod("/debug/syncz")?;
        let proxies: Vec<Value> = serde_json::from_str(&text).context("istiod's /debug/syncz is no JSON")?;
        let in_step = |proxy: &Value| {
            ["cluster", "listener", "route", "endpoint", "extensionconfig"].iter().all(|kind| {
                let sent = cluster::text(proxy, &format!("/{kind}_sent"));
                sent == cluster::text(proxy, &format!("/{kind}_acked"))
            })
        };
        Ok(proxies.iter().all(in_step).then_some(()))
    })
}
