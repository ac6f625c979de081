//! Access to the API server through kubectl.
//!
//! Invariant: an error quotes the output of kubectl.

use super::{programs, run};
use crate::process;
use anyhow::{Context, bail};
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The kubeconfig of kubectl and istiod.
pub(super) fn kubeconfig() -> PathBuf {
    run::folder().join("kubeconfig")
}

/// A kubectl command.
pub(super) fn kubectl<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(programs::path("kubectl"));
    command.arg("--kubeconfig").arg(kubeconfig()).args(arguments);
    // kubectl caches the API of the server; that cache must not outlive the server.
    command.env("HOME", run::folder());
    command
}

/// Applies manifests (YAML or JSON); the server validates them against its schema.
pub(super) fn apply(manifests: &str) -> anyhow::Result<String> {
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    run_with_input(&mut kubectl(apply), manifests)
}

/// Validates manifests at the server without storing them.
pub(super) fn dry_run(manifests: &str) -> anyhow::Result<String> {
    let apply = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"];
    run_with_input(&mut kubectl(apply), manifests)
}

/// Deletes the objects of manifests; an absent object is no error.
pub(super) fn delete(manifests: &str) -> anyhow::Result<String> {
    run_with_input(&mut kubectl(["delete", "--ignore-not-found", "--wait=false", "-f", "-"]), manifests)
}

/// Creates one object and returns it as the server and its webhooks completed it.
pub(super) fn create(object: &Value) -> anyhow::Result<Value> {
    let answer = run_with_input(&mut kubectl(["create", "-o", "json", "-f", "-"]), &object.to_string())?;
    serde_json::from_str(&answer).context("failed to parse the output of kubectl")
}

/// Lists objects of one kind, in all namespaces.
pub(super) fn list(kind: &str) -> anyhow::Result<Vec<Value>> {
    let answer = process::quietly(&mut kubectl(["get", kind, "--all-namespaces", "-o", "json"]))?;
    let mut list: Value = serde_json::from_str(&answer)?;
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        _ => bail!("kubectl returned no list of {kind}"),
    }
}

/// Creates a token of a service account for an audience, as a kubelet projects it into a pod.
pub(super) fn token(namespace: &str, account: &str, audience: &str) -> anyhow::Result<String> {
    let mut command = kubectl(["create", "token", account, "--audience", audience, "-n", namespace]);
    Ok(process::quietly(&mut command)?.trim().to_owned())
}

/// Returns the text at a JSON pointer of an object; empty where there is none.
pub(super) fn text<'a>(object: &'a Value, place: &str) -> &'a str {
    object.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// Runs a command with this standard input, and returns its standard output.
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
