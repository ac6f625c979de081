//! Sends rounds of batches to a collector.
//!
//! In: templates and a time. Out: what was acknowledged. Always holds: the batches of a proxy are numbered without gaps; a
//! round is told as a whole, all callers before all called sides, so that every hop of it is open in between.

use super::call::{Acknowledged, Calls};
use super::mesh::Mesh;
use super::template::{Round, Template};
use anyhow::ensure;
use hopscope_proto::v1;
use prost::Message;
use prost::bytes::Bytes;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reports under way at a time.
const IN_FLIGHT_MAX: usize = 256;
const PATH: &str = "/hopscope.v1.Telemetry/Report";

/// What a proxy has told.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    sequence: u64,
    sent: u64,
}

/// All proxies, as far as the collector knows them.
pub(crate) struct Load<'a> {
    mesh: &'a Mesh,
    told: Vec<Told>,
    round: u32,
    /// When the round began, for both sides.
    base_us: u64,
    calls: Calls,
}

impl<'a> Load<'a> {
    pub(crate) fn new(mesh: &'a Mesh, channels: Vec<tonic::transport::Channel>) -> Self {
        let calls = Calls::new(channels, PATH, is_taken, IN_FLIGHT_MAX);
        Self { mesh, told: vec![Told::default(); mesh.proxies.len()], round: 0, base_us: 0, calls }
    }

    /// Lets every proxy say who it is.
    pub(crate) async fn introduce(&mut self) -> anyhow::Result<()> {
        self.calls.begin(0.0);
        for (place, (proxy, told)) in self.mesh.proxies.iter().zip(&mut self.told).enumerate() {
            told.sequence = 1;
            let batch = v1::Batch {
                schema_version: v1::SCHEMA_VERSION,
                proxy: proxy.name.clone(),
                epoch: place as u64 + 1,
                sequence: 1,
                identity: Some(proxy.identity()),
                ledger: Some(v1::Ledger::default()),
                base_time_unix_us: now_us(),
                strings: vec![String::new()],
                ..v1::Batch::default()
            };
            let due = self.calls.room().await?;
            self.calls.send(0, batch.encode_to_vec().into(), due)?;
        }
        self.calls.end().await?;
        Ok(())
    }

    /// Sends the callers' half of a round, or the other one.
    pub(crate) async fn half(&mut self, round: &mut Round, callers: bool) -> anyhow::Result<Acknowledged> {
        self.calls.begin(0.0);
        self.part(round, callers, None).await?;
        self.calls.end().await
    }

    /// Sends whole rounds, so many messages a second (0: as fast as it goes), until `time` is over.
    pub(crate) async fn send(
        &mut self,
        round: &mut Round,
        time: Duration,
        rate: f64,
    ) -> anyhow::Result<Acknowledged> {
        self.calls.begin(rate);
        while self.calls.elapsed() < time {
            // What is sent at leisure need not be told to its end.
            let until = (rate > 0.0).then_some(time);
            self.part(round, true, until).await?;
            self.part(round, false, until).await?;
        }
        self.calls.end().await
    }

    async fn part(
        &mut self,
        round: &mut Round,
        callers: bool,
        until: Option<Duration>,
    ) -> anyhow::Result<()> {
        if callers {
            self.round += 1;
            self.base_us = now_us();
        }
        let templates = if callers { &mut round.callers } else { &mut round.called };
        for template in templates {
            let due = self.calls.room().await?;
            if until.is_some_and(|until| self.calls.elapsed() > until) {
                break;
            }
            if let Some(message) = message(&mut self.told, template, self.round, self.base_us) {
                self.calls.send(template.records, message, due)?;
            }
        }
        Ok(())
    }
}

fn message(told: &mut [Told], template: &mut Template, round: u32, base_us: u64) -> Option<Bytes> {
    let told = told.get_mut(template.proxy)?;
    told.sequence += 1;
    told.sent += template.records;
    let head = v1::Batch {
        epoch: template.proxy as u64 + 1,
        sequence: told.sequence,
        ledger: Some(v1::Ledger { seen_total: told.sent, sent_total: told.sent, ..v1::Ledger::default() }),
        base_time_unix_us: base_us,
        ..v1::Batch::default()
    };
    // An even number that is another one in each round, so that ids differ and stay odd.
    let mask = round.wrapping_mul(0x9e37_79b9) << 1;
    Some(Bytes::from(template.message(head, mask)))
}

fn is_taken(answer: &[u8]) -> anyhow::Result<()> {
    let ack = v1::Ack::decode(answer)?;
    ensure!(ack.accepted_sequence > 0, "a batch was not taken: {ack:?}");
    Ok(())
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
