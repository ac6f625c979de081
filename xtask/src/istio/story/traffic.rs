//! Traffic of the stories.
//!
//! In: from whom, where to, how much. Out: what came back. Always holds: it ends by itself.

use crate::istio::mesh;
use crate::istio::site::Site;
use crate::workspace;
use anyhow::Context;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

/// Outside of every pod: the clients of the gateway.
pub(super) const OUTSIDE: &str = "";

/// The gateway, and the site behind it.
pub(super) fn gateway() -> String {
    format!("http://{}:8080", Site::here().gateway())
}

/// What was sent and what came back.
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
    /// Answers with this status.
    pub(super) fn with(&self, status: &str) -> u64 {
        self.answers.get(status).copied().unwrap_or(0)
    }

    /// In a line.
    pub(super) fn show(&self) -> String {
        format!("{} sent, answers {:?}, none {} {:?}", self.sent, self.answers, self.none, self.errors)
    }
}

/// Traffic under way.
pub(super) struct Running(Child);

impl Running {
    /// Waits for its end.
    pub(super) fn end(self) -> anyhow::Result<Load> {
        let output = self.0.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text)
            .with_context(|| format!("the traffic ended with {}: {text}", output.status))
    }
}

/// Begins `hopscope-mesh pod …`: in a workload's pod, as its application would, or outside.
pub(super) fn begin(from: &str, arguments: &str) -> anyhow::Result<Running> {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let mut command = if from == OUTSIDE {
        let mut command = Command::new(workspace::binary("hopscope-mesh"));
        command.arg("pod").args(&arguments);
        command
    } else {
        mesh::in_pod(from, &arguments)?
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(Running(command.spawn().context("failed to start traffic")?))
}

/// Sends `requests` to a URL, so many a second, and waits for the answers.
pub(super) fn send(from: &str, url: &str, requests: u64, rate: u64) -> anyhow::Result<Load> {
    begin(from, &format!("load --url {url} --requests {requests} --rate {rate} --seconds 120"))?.end()
}

/// As [`send`], through the gateway.
pub(super) fn visit(path: &str, requests: u64, rate: u64) -> anyhow::Result<Load> {
    let arguments = format!(
        "load --url {}{path} --host shop.example.com --requests {requests} --rate {rate} --seconds 120",
        gateway()
    );
    begin(OUTSIDE, &arguments)?.end()
}
