//! Reports of a whole mesh, sent to one collector.
//!
//! In: templates and a duration. Out: counts and latencies of the acknowledged batches.
//! Invariant: the batches of a proxy are numbered without gaps; of a round, all sources report
//! before all destinations, so that every hop of the round is pending in between.

use super::call::{Acknowledged, Calls};
use super::mesh::Mesh;
use super::template::{Round, Template};
use anyhow::ensure;
use hopscope_proto::v1;
use prost::Message;
use prost::bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PATH: &str = "/hopscope.v1.Telemetry/Report";

/// Totals that a proxy has reported.
#[derive(Debug, Clone, Copy, Default)]
struct Reported {
    sequence: u64,
    sent: u64,
}

/// All proxies of a mesh, each with one epoch.
pub(crate) struct Load {
    mesh: Arc<Mesh>,
    reported: Vec<Reported>,
    round: u32,
    /// Start of the round, for both sides.
    base_us: u64,
    calls: Calls,
}

impl Load {
    pub(crate) fn new(
        mesh: Arc<Mesh>,
        channels: Vec<tonic::transport::Channel>,
        in_flight_max: usize,
    ) -> Self {
        let calls = Calls::new(channels, PATH, check_acknowledgement, in_flight_max);
        let reported = vec![Reported::default(); mesh.proxies.len()];
        Self { mesh, reported, round: 0, base_us: 0, calls }
    }

    /// Reports the identity of every proxy.
    pub(crate) async fn introduce(&mut self) -> anyhow::Result<()> {
        self.calls.begin(0.0);
        for (index, (proxy, reported)) in self.mesh.proxies.iter().zip(&mut self.reported).enumerate() {
            reported.sequence = 1;
            let batch = v1::Batch {
                schema_version: v1::SCHEMA_VERSION,
                proxy: proxy.name.clone(),
                epoch: index as u64 + 1,
                sequence: 1,
                identity: Some(proxy.identity()),
                ledger: Some(v1::Ledger::default()),
                base_time_unix_us: now_us(),
                strings: vec![String::new()],
                ..v1::Batch::default()
            };
            let due = self.calls.next_due().await?;
            self.calls.send(0, batch.encode_to_vec().into(), due)?;
        }
        self.calls.end().await?;
        Ok(())
    }

    /// Sends the source half or the destination half of a round.
    pub(crate) async fn half(&mut self, round: &mut Round, sources: bool) -> anyhow::Result<Acknowledged> {
        self.calls.begin(0.0);
        self.part(round, sources, None).await?;
        self.calls.end().await
    }

    /// Sends whole rounds until `time` is over, at `rate` messages per second; a rate of 0 is as
    /// fast as the collector answers.
    pub(crate) async fn send(
        &mut self,
        round: &mut Round,
        time: Duration,
        rate: f64,
    ) -> anyhow::Result<Acknowledged> {
        self.calls.begin(rate);
        while self.calls.elapsed() < time {
            // With a rate, a round may take long; its rest is not sent.
            let until = (rate > 0.0).then_some(time);
            self.part(round, true, until).await?;
            self.part(round, false, until).await?;
        }
        self.calls.end().await
    }

    /// Waits for the acknowledgements of a [`Load::send`] that was interrupted.
    pub(crate) async fn end(&mut self) -> anyhow::Result<Acknowledged> {
        self.calls.end().await
    }

    async fn part(
        &mut self,
        round: &mut Round,
        sources: bool,
        until: Option<Duration>,
    ) -> anyhow::Result<()> {
        if sources {
            self.round += 1;
            self.base_us = now_us();
        }
        let templates = if sources { &mut round.sources } else { &mut round.destinations };
        for template in templates {
            let due = self.calls.next_due().await?;
            if until.is_some_and(|until| self.calls.elapsed() > until) {
                break;
            }
            if let Some(message) = message(&mut self.reported, template, self.round, self.base_us) {
                self.calls.send(template.records, message, due)?;
            }
        }
        Ok(())
    }
}

fn message(reported: &mut [Reported], template: &mut Template, round: u32, base_us: u64) -> Option<Bytes> {
    let reported = reported.get_mut(template.proxy)?;
    reported.sequence += 1;
    reported.sent += template.records;
    let sent = reported.sent;
    let head = v1::Batch {
        epoch: template.proxy as u64 + 1,
        sequence: reported.sequence,
        ledger: Some(v1::Ledger { seen_total: sent, sent_total: sent, ..v1::Ledger::default() }),
        base_time_unix_us: base_us,
        ..v1::Batch::default()
    };
    // An even number that differs in each round: request ids differ between rounds and stay odd.
    let mask = round.wrapping_mul(0x9e37_79b9) << 1;
    Some(Bytes::from(template.message(head, mask)))
}

fn check_acknowledgement(answer: &[u8]) -> anyhow::Result<()> {
    let ack = v1::Ack::decode(answer)?;
    ensure!(ack.accepted_sequence > 0, "a batch was not accepted: {ack:?}");
    Ok(())
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
