//! The API server, through kubectl.
//!
//! In: manifests and names. Out: what the server holds. Always holds: an error quotes what kubectl said.

use super::{programs, run};
use crate::process;
use anyhow::{Context, bail};
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How kubectl and istiod reach the API server.
pub(super) fn kubeconfig() -> PathBuf {
    run::folder().join("kubeconfig")
}

/// A kubectl command.
pub(super) fn kubectl<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(programs::path("kubectl"));
    command.arg("--kubeconfig").arg(kubeconfig()).args(arguments);
    // Its cache of the server's API would outlive the server.
    command.env("HOME", run::folder());
    command
}

/// Applies manifests (YAML or JSON); the server's schema judges them.
pub(super) fn apply(manifests: &str) -> anyhow::Result<String> {
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    run_with_input(&mut kubectl(apply), manifests)
}

/// Lets the API server judge manifests without keeping them.
pub(super) fn dry_run(manifests: &str) -> anyhow::Result<String> {
    let apply = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"];
    run_with_input(&mut kubectl(apply), manifests)
}

/// Takes what the manifests name away; what is not there is no error.
pub(super) fn delete(manifests: &str) -> anyhow::Result<String> {
    run_with_input(&mut kubectl(["delete", "--ignore-not-found", "--wait=false", "-f", "-"]), manifests)
}

/// Creates one object and gives back what the server, its webhooks included, made of it.
pub(super) fn create(object: &Value) -> anyhow::Result<Value> {
    let answer = run_with_input(&mut kubectl(["create", "-o", "json", "-f", "-"]), &object.to_string())?;
    serde_json::from_str(&answer).context("failed to read what kubectl said")
}

/// Objects of one kind, in all namespaces.
pub(super) fn list(kind: &str) -> anyhow::Result<Vec<Value>> {
    let answer = process::quietly(&mut kubectl(["get", kind, "--all-namespaces", "-o", "json"]))?;
    let mut list: Value = serde_json::from_str(&answer)?;
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        _ => bail!("kubectl gave no list of {kind}"),
    }
}

/// A token of a service account for an audience, as a kubelet projects it into a pod.
pub(super) fn token(namespace: &str, account: &str, audience: &str) -> anyhow::Result<String> {
    let mut command = kubectl(["create", "token", account, "--audience", audience, "-n", namespace]);
    Ok(process::quietly(&mut command)?.trim().to_owned())
}

/// Text at a place of an object; empty where there is none. The place is a JSON pointer.
pub(super) fn text<'a>(object: &'a Value, place: &str) -> &'a str {
    object.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// Runs a command with this standard input, and gives back what it prints.
pub(super) fn run_with_input(command: &mut Command, input: &str) -> anyhow::Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().with_context(|| format!("failed to start {:?}", command.get_program()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{:?} ended with {}:\n{text}{said}", command.get_args().collect::<Vec<_>>(), output.status);
    }
    Ok(text)
}
