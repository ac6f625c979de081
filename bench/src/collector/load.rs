//! Sends rounds of batches to a collector.
//!
//! In: templates and a time. Out: what was acknowledged, and how long the acknowledgements took. Always holds: at most
//! [`IN_FLIGHT_MAX`] reports are under way; the batches of a proxy are numbered without gaps; a report that is refused is
//! an error.

use super::mesh::Mesh;
use super::template::Template;
use anyhow::{Context, ensure};
use hopscope_proto::v1;
use prost::bytes::{Buf, Bytes};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Reports under way at a time.
const IN_FLIGHT_MAX: usize = 32;

/// What a proxy has told.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    sequence: u64,
    sent: u64,
}

/// All proxies, as far as the collector knows them.
pub(crate) struct Load<'a> {
    mesh: &'a Mesh,
    templates: Vec<Template>,
    told: Vec<Told>,
    round: u32,
    channels: Vec<Channel>,
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    pub(crate) records: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    took_us: Vec<u32>,
}

impl Acknowledged {
    /// The time that the share `q` of acknowledgements did not exceed.
    pub(crate) fn quantile_ms(&mut self, q: f64) -> f64 {
        self.took_us.sort_unstable();
        let place = (self.took_us.len().saturating_sub(1)) as f64 * q;
        self.took_us.get(place as usize).map_or(0.0, |us| f64::from(*us) / 1_000.0)
    }
}

impl<'a> Load<'a> {
    pub(crate) fn new(mesh: &'a Mesh, templates: Vec<Template>, channels: Vec<Channel>) -> Self {
        Self { mesh, templates, told: vec![Told::default(); mesh.proxies.len()], round: 0, channels }
    }

    /// Sends whole rounds until `time` is over, at least one.
    pub(crate) async fn send(&mut self, time: Duration) -> anyhow::Result<Acknowledged> {
        let start = Instant::now();
        let mut total = Acknowledged::default();
        let mut under_way = JoinSet::new();
        loop {
            self.round += 1;
            let base_us = now_us();
            for place in 0..self.templates.len() {
                while under_way.len() >= IN_FLIGHT_MAX {
                    settle(&mut total, under_way.join_next().await)?;
                }
                let Some((records, message)) = self.message(place, base_us) else { continue };
                let channel =
                    self.channels.get(place % self.channels.len().max(1)).context("no channel")?.clone();
                under_way.spawn(report(channel, records, message));
            }
            if start.elapsed() >= time {
                break;
            }
        }
        while let Some(joined) = under_way.join_next().await {
            settle(&mut total, Some(joined))?;
        }
        total.seconds = start.elapsed().as_secs_f64();
        Ok(total)
    }

    fn message(&mut self, place: usize, base_us: u64) -> Option<(u64, Bytes)> {
        let template = self.templates.get_mut(place)?;
        let told = self.told.get_mut(template.proxy)?;
        told.sequence += 1;
        told.sent += template.records;
        let first = told.sequence == 1;
        let identity =
            self.mesh.proxies.get(template.proxy).filter(|_| first).map(super::mesh::Proxy::identity);
        let head = v1::Batch {
            epoch: template.proxy as u64 + 1,
            sequence: told.sequence,
            identity,
            ledger: Some(v1::Ledger {
                seen_total: told.sent,
                sent_total: told.sent,
                ..v1::Ledger::default()
            }),
            base_time_unix_us: base_us,
            ..v1::Batch::default()
        };
        // An even number that is another one in each round, so that ids differ and stay odd.
        let mask = self.round.wrapping_mul(0x9e37_79b9) << 1;
        Some((template.records, Bytes::from(template.message(head, mask))))
    }
}

type Settled = (u64, u64, Duration);

async fn report(channel: Channel, records: u64, message: Bytes) -> anyhow::Result<Settled> {
    let bytes = message.len() as u64;
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await?;
    let start = Instant::now();
    let path = tonic::codegen::http::uri::PathAndQuery::from_static("/hopscope.v1.Telemetry/Report");
    let ack = grpc.unary(Request::new(message), path, Raw).await?.into_inner();
    ensure!(ack.accepted_sequence > 0, "a batch was not taken: {ack:?}");
    Ok((records, bytes, start.elapsed()))
}

fn settle(
    total: &mut Acknowledged,
    joined: Option<Result<anyhow::Result<Settled>, tokio::task::JoinError>>,
) -> anyhow::Result<()> {
    let Some(joined) = joined else { return Ok(()) };
    let (records, bytes, took) = joined??;
    total.records += records;
    total.messages += 1;
    total.bytes += bytes;
    total.took_us.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    Ok(())
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Encoded batches out, acknowledgements in.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = v1::Ack;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        use prost::bytes::BufMut;
        target.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = v1::Ack;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<v1::Ack>, Status> {
        let bytes = source.copy_to_bytes(source.remaining());
        let ack = prost::Message::decode(bytes).map_err(|e| Status::internal(e.to_string()))?;
        Ok(Some(ack))
    }
}
