//! One gRPC call after another: encoded messages out, encoded answers in.
//!
//! In: messages, connections, how many a second. Out: what was answered, and how long it took. Always holds: at most
//! `in_flight_max` calls are under way; a call that is refused is an error; with a rate, a call counts from when it was due.

use anyhow::Context;
use prost::bytes::{Buf, Bytes};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};

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

/// Calls of one method.
pub(crate) struct Calls {
    channels: Vec<Channel>,
    path: &'static str,
    /// Whether an answer is as it should be.
    good: fn(&[u8]) -> anyhow::Result<()>,
    in_flight_max: usize,
    under_way: JoinSet<anyhow::Result<(u64, u64, Duration)>>,
    told: Acknowledged,
    began: Instant,
    /// Messages a second; 0 as fast as it goes.
    rate: f64,
    sent: u64,
}

impl Calls {
    pub(crate) fn new(
        channels: Vec<Channel>,
        path: &'static str,
        good: fn(&[u8]) -> anyhow::Result<()>,
        in_flight_max: usize,
    ) -> Self {
        let (under_way, told) = (JoinSet::new(), Acknowledged::default());
        Self {
            channels,
            path,
            good,
            in_flight_max,
            under_way,
            told,
            began: Instant::now(),
            rate: 0.0,
            sent: 0,
        }
    }

    /// Begins to measure.
    pub(crate) fn begin(&mut self, rate: f64) {
        self.told = Acknowledged::default();
        (self.began, self.rate, self.sent) = (Instant::now(), rate, 0);
    }

    /// For how long it has been measured.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until a call may begin; when it was due.
    pub(crate) async fn room(&mut self) -> anyhow::Result<Instant> {
        while self.under_way.len() >= self.in_flight_max {
            self.settle().await?;
        }
        if self.rate <= 0.0 {
            return Ok(Instant::now());
        }
        let due = self.began + Duration::from_secs_f64(self.sent as f64 / self.rate);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        Ok(due)
    }

    /// Begins a call.
    pub(crate) fn send(&mut self, records: u64, message: Bytes, due: Instant) -> anyhow::Result<()> {
        let place = usize::try_from(self.sent)? % self.channels.len().max(1);
        let channel = self.channels.get(place).context("no channel")?.clone();
        self.sent += 1;
        let (path, good) = (self.path, self.good);
        self.under_way.spawn(async move {
            let bytes = message.len() as u64;
            let mut grpc = tonic::client::Grpc::new(channel);
            grpc.ready().await?;
            let answer = grpc.unary(Request::new(message), PathAndQuery::from_static(path), Raw).await?;
            good(&answer.into_inner())?;
            Ok((records, bytes, due.elapsed()))
        });
        Ok(())
    }

    /// Waits for all calls.
    pub(crate) async fn end(&mut self) -> anyhow::Result<Acknowledged> {
        while !self.under_way.is_empty() {
            self.settle().await?;
        }
        self.told.seconds = self.began.elapsed().as_secs_f64();
        Ok(std::mem::take(&mut self.told))
    }

    async fn settle(&mut self) -> anyhow::Result<()> {
        let Some(joined) = self.under_way.join_next().await else { return Ok(()) };
        let (records, bytes, took) = joined??;
        self.told.records += records;
        self.told.messages += 1;
        self.told.bytes += bytes;
        self.told.took_us.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        Ok(())
    }
}

/// Bytes out, bytes in.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
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
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}
