//! Processor time, latency, bytes and memory at a fixed rate.
//!
//! In: one Envoy per arm, all running for the whole time. Out: [`Rounds`] per arm.
//! Invariant: arms take turns within each round, so that other load on the machine affects all of
//! them; the sink receives every request.

use super::arm::Arm;
use super::bootstrap::Environment;
use super::figures::{Effort, quantile};
use super::load;
use super::proxy::Proxy;
use super::sink::Sink;
use anyhow::{Context, ensure};
use hopscope_mesh::eventually::eventually;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Requests per second.
pub(crate) const RATE: u64 = 2_000;

/// Longer than a filter holds records back without failures.
const REPORTED_WITHIN: Duration = Duration::from_secs(40);

/// Figures of one arm: some per round, some over all rounds.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    pub(crate) cpu_us_per_request: Vec<f64>,
    pub(crate) p50_us: Vec<f64>,
    pub(crate) p99_us: Vec<f64>,
    pub(crate) requests: u64,
    pub(crate) messages: u64,
    pub(crate) wire_bytes: u64,
    /// Resident memory of the whole Envoy.
    pub(crate) memory_bytes: u64,
}

/// One arm under load.
struct Lane {
    arm: Arm,
    proxy: Proxy,
    listener: SocketAddr,
    sink: Sink,
    rounds: Rounds,
}

/// Measures all arms and returns their rounds in the order of [`Arm::ALL`].
pub(crate) async fn measure(
    envoy: &Path,
    module: &Path,
    origin: SocketAddr,
    effort: Effort,
) -> anyhow::Result<Vec<Rounds>> {
    let mut lanes = Vec::new();
    for arm in Arm::ALL {
        let sink = Sink::start().await?;
        let environment = Environment { module, limits: None, workers: 1, origin, sink: sink.address() };
        let proxy = Proxy::start(envoy, &[arm], environment, |envoy, _| Command::new(envoy)).await?;
        let listener = proxy.listener(arm).await?;
        lanes.push(Lane { arm, proxy, listener, sink, rounds: Rounds::default() });
    }
    for lane in &mut lanes {
        lane.warm_up(effort).await?;
    }
    for _ in 0..effort.rounds {
        for lane in &mut lanes {
            lane.round(effort).await?;
        }
    }
    let mut all = Vec::new();
    for lane in lanes {
        let name = lane.arm.name();
        all.push(lane.finish().await.with_context(|| format!("arm {name}"))?);
    }
    Ok(all)
}

impl Lane {
    async fn warm_up(&mut self, effort: Effort) -> anyhow::Result<()> {
        load::send_steadily(self.listener, effort.warm_up_requests, RATE).await?;
        self.rounds.requests += effort.warm_up_requests;
        Ok(())
    }

    async fn round(&mut self, effort: Effort) -> anyhow::Result<()> {
        let requests = RATE * effort.round_seconds;
        let before = self.proxy.cpu_seconds()?;
        let mut latencies_us = load::send_steadily(self.listener, requests, RATE).await?;
        let cpu_s = self.proxy.cpu_seconds()? - before;
        latencies_us.sort_unstable();
        self.rounds.requests += requests;
        self.rounds.cpu_us_per_request.push(cpu_s * 1e6 / requests as f64);
        self.rounds.p50_us.push(quantile(&latencies_us, 0.5));
        self.rounds.p99_us.push(quantile(&latencies_us, 0.99));
        Ok(())
    }

    async fn finish(mut self) -> anyhow::Result<Rounds> {
        if self.arm.reports() {
            let sent = self.rounds.requests;
            let all = async || (self.sink.requests() >= sent).then_some(());
            let reported = eventually("every request is reported", REPORTED_WITHIN, all).await;
            reported.with_context(|| format!("{} of {sent} are", self.sink.requests()))?;
        }
        let expected = if self.arm.reports() { self.rounds.requests } else { 0 };
        let reported = self.sink.requests();
        ensure!(reported == expected, "{reported} requests were reported, {expected} sent");
        self.rounds.messages = self.sink.messages();
        self.rounds.wire_bytes = self.proxy.telemetry_bytes().await?;
        self.rounds.memory_bytes = self.proxy.memory_bytes()?;
        Ok(self.rounds)
    }
}
