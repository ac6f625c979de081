//! Traffic for the scenarios.
//!
//! In: source, URL, number and rate of requests.
//! Out: counts of responses.
//! Invariant: the traffic ends by itself.

use crate::istio::site::Site;
use crate::istio::{loopback, mesh};
use crate::workspace;
use anyhow::Context;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

/// The source outside of every pod: a client of the gateway.
pub(super) const OUTSIDE: &str = "";

/// The URL of the gateway.
pub(super) fn gateway() -> String {
    format!("http://{}:8080", Site::here().gateway())
}

/// Counts of requests and responses.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Load {
    #[serde(alias = "connections")]
    pub(super) sent: u64,
    #[serde(default)]
    pub(super) answers: BTreeMap<String, u64>,
    #[serde(default, alias = "failed")]
    pub(super) none: u64,
    #[serde(default)]
    pub(super) errors: Vec<String>,
    #[serde(default)]
    pub(super) bytes_sent: u64,
    #[serde(default)]
    pub(super) bytes_received: u64,
}

impl Load {
    /// Returns the number of responses with this status.
    pub(super) fn with(&self, status: &str) -> u64 {
        self.answers.get(status).copied().unwrap_or(0)
    }

    /// Formats the counts in one line.
    pub(super) fn show(&self) -> String {
        format!("{} sent, answers {:?}, none {} {:?}", self.sent, self.answers, self.none, self.errors)
    }
}

/// Traffic under way.
pub(super) struct Running(Child);

impl Running {
    /// Waits for the end and returns the counts.
    pub(super) fn end(self) -> anyhow::Result<Load> {
        let output = self.0.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text)
            .with_context(|| format!("the traffic ended with {}: {text}", output.status))
    }
}

/// Starts `hopscope-mesh pod …`: in a workload's pod, as its application would, or outside.
pub(super) fn begin(from: &str, arguments: &str) -> anyhow::Result<Running> {
    let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
    let here = |arguments: &[String]| {
        let mut command = Command::new(workspace::binary("hopscope-mesh"));
        command.arg("pod").args(arguments);
        command
    };
    let mut command = match Site::here() {
        _ if from == OUTSIDE => here(&arguments),
        Site::Namespaces => mesh::in_pod(from, &arguments)?,
        Site::Loopback => here(&via_outbound(&arguments, &loopback::outward(&mesh::pod(from)?.address))),
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(Running(command.spawn().context("failed to start traffic")?))
}

/// Rewrites URLs to the workload's outbound listener, where no traffic is captured: the host header
/// names the destination.
fn via_outbound(arguments: &[String], outward: &str) -> Vec<String> {
    let rewrite = |argument: &String| {
        let Some(url) = argument.strip_prefix("http://") else { return vec![argument.clone()] };
        let (host, path) = url.split_once('/').unwrap_or((url, ""));
        vec![format!("http://{outward}:8080/{path}"), "--host".to_owned(), host.to_owned()]
    };
    arguments.iter().flat_map(rewrite).collect()
}

/// Sends `requests` to a URL at a rate per second, and waits for the responses.
pub(super) fn send(from: &str, url: &str, requests: u64, rate: u64) -> anyhow::Result<Load> {
    begin(from, &format!("load --url {url} --requests {requests} --rate {rate} --seconds 120"))?.end()
}

/// Sends requests as [`send`] does, through the gateway.
pub(super) fn send_to_gateway(path: &str, requests: u64, rate: u64) -> anyhow::Result<Load> {
    let arguments = format!(
        "load --url {}{path} --host shop.example.com --requests {requests} --rate {rate} --seconds 120",
        gateway()
    );
    begin(OUTSIDE, &arguments)?.end()
}

#[cfg(test)]
mod tests {
    #[test]
    fn on_loopback_the_host_header_says_whom_it_is_for() {
        let arguments =
            ["load", "--url", "http://backend.shop:8080/denied", "--rate", "5"].map(str::to_owned);
        let via_outbound = super::via_outbound(&arguments, "127.77.1.12").join(" ");
        assert_eq!(
            via_outbound,
            "load --url http://127.77.1.12:8080/denied --host backend.shop:8080 --rate 5"
        );
    }
}
