//! Processor time, latency, bytes and memory.
//!
//! In: one Envoy per arm, all alive for the whole time. Out: [`Rounds`] per arm. Always holds: arms take turns within each
//! round, so that what a busy machine does to one it does to all; every request is found again in the sink.

use super::arm::Arm;
use super::bootstrap::Surroundings;
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

/// Requests a second.
pub(crate) const RATE: u64 = 2_000;

/// Longer than a filter holds records back when all is well.
const TOLD_WITHIN: Duration = Duration::from_secs(40);

/// What one arm took: a figure per round, and what it came to in the end.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    pub(crate) cpu_us_per_request: Vec<f64>,
    pub(crate) p50_us: Vec<f64>,
    pub(crate) p99_us: Vec<f64>,
    pub(crate) requests: u64,
    pub(crate) messages: u64,
    pub(crate) wire_bytes: u64,
    /// Resident, all of it.
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

/// Measures all arms, and gives back their rounds in the order of the arms.
pub(crate) async fn measure(
    envoy: &Path,
    module: &Path,
    origin: SocketAddr,
    effort: Effort,
) -> anyhow::Result<Vec<Rounds>> {
    let mut lanes = Vec::new();
    for arm in Arm::ALL {
        let sink = Sink::start().await?;
        let around = Surroundings { module, limits: None, workers: 1, origin, sink: sink.address() };
        let proxy = Proxy::start(envoy, &[arm], around, |envoy, _| Command::new(envoy)).await?;
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
        all.push(lane.settle().await.with_context(|| format!("arm {name}"))?);
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
        let mut took_us = load::send_steadily(self.listener, requests, RATE).await?;
        let cpu_s = self.proxy.cpu_seconds()? - before;
        took_us.sort_unstable();
        self.rounds.requests += requests;
        self.rounds.cpu_us_per_request.push(cpu_s * 1e6 / requests as f64);
        self.rounds.p50_us.push(quantile(&took_us, 0.5));
        self.rounds.p99_us.push(quantile(&took_us, 0.99));
        Ok(())
    }

    async fn settle(mut self) -> anyhow::Result<Rounds> {
        if self.arm.tells() {
            let sent = self.rounds.requests;
            let all = async || (self.sink.requests() >= sent).then_some(());
            let told = eventually("every request is told", TOLD_WITHIN, all).await;
            told.with_context(|| format!("{} of {sent} are", self.sink.requests()))?;
        }
        let expected = if self.arm.tells() { self.rounds.requests } else { 0 };
        let told = self.sink.requests();
        ensure!(told == expected, "{told} requests were told, {expected} sent");
        self.rounds.messages = self.sink.messages();
        self.rounds.wire_bytes = self.proxy.telemetry_bytes().await?;
        self.rounds.memory_bytes = self.proxy.memory_bytes()?;
        Ok(self.rounds)
    }
}
