//! Samples of `/metrics`.
//!
//! In: a running collector. Out: sums over samples.

use crate::parts;
use hopscope_mesh::fetch;
use hopscope_mesh::mesh::Mesh;
use std::io::Write;
use std::process::{Command, Stdio};

/// The text of `/metrics`.
pub(crate) async fn text(mesh: &Mesh) -> String {
    fetch::text(mesh.collector().unwrap().http(), "/metrics").await.unwrap()
}

/// Sum over all samples of a metric.
pub(crate) fn sum(text: &str, name: &str) -> u64 {
    let samples = text.lines().filter_map(|line| line.strip_prefix(name));
    let samples = samples.filter(|rest| rest.starts_with(['{', ' ']));
    samples.map(|rest| rest.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Errors of `promtool check metrics`; empty without errors.
pub(crate) fn promtool_errors(text: &str) -> String {
    let mut promtool = Command::new(parts::path("HOPSCOPE_PROMTOOL"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { stderr } else { format!("{} {stderr}", output.status) }
}
