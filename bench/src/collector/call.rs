//! Unary gRPC calls of one method, at a given rate or as fast as the server answers.
//!
//! In: encoded messages, connections, a rate. Out: counts and latencies of the acknowledged
//! messages.
//! Invariant: at most `in_flight_max` calls are in flight; a rejected call is an error; with a
//! rate, the latency of a call counts from when it was due.

use anyhow::Context;
use hopscope_mesh::raw_codec::RawCodec;
use prost::bytes::Bytes;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tonic::Request;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;

/// Acknowledged messages.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    pub(crate) records: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    latencies_us: Vec<u32>,
}

impl Acknowledged {
    /// Quantile `q` of the latencies; 1 is their maximum.
    pub(crate) fn quantile_ms(&mut self, q: f64) -> f64 {
        self.latencies_us.sort_unstable();
        let index = (self.latencies_us.len().saturating_sub(1)) as f64 * q;
        self.latencies_us.get(index as usize).map_or(0.0, |us| f64::from(*us) / 1_000.0)
    }
}

/// One acknowledged call.
struct Answered {
    records: u64,
    bytes: u64,
    latency: Duration,
}

/// Calls of one method.
pub(crate) struct Calls {
    channels: Vec<Channel>,
    path: &'static str,
    /// Fails for an answer that is no acknowledgement.
    check: fn(&[u8]) -> anyhow::Result<()>,
    in_flight_max: usize,
    in_flight: JoinSet<anyhow::Result<Answered>>,
    acknowledged: Acknowledged,
    start: Instant,
    /// Messages per second; 0 for as fast as the server answers.
    rate: f64,
    sent: u64,
}

impl Calls {
    pub(crate) fn new(
        channels: Vec<Channel>,
        path: &'static str,
        check: fn(&[u8]) -> anyhow::Result<()>,
        in_flight_max: usize,
    ) -> Self {
        Self {
            channels,
            path,
            check,
            in_flight_max,
            in_flight: JoinSet::new(),
            acknowledged: Acknowledged::default(),
            start: Instant::now(),
            rate: 0.0,
            sent: 0,
        }
    }

    /// Starts a measurement.
    pub(crate) fn begin(&mut self, rate: f64) {
        self.acknowledged = Acknowledged::default();
        (self.start, self.rate, self.sent) = (Instant::now(), rate, 0);
    }

    /// Time since the start of the measurement.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits until the next call may begin and returns when it was due.
    pub(crate) async fn next_due(&mut self) -> anyhow::Result<Instant> {
        while self.in_flight.len() >= self.in_flight_max {
            self.await_one().await?;
        }
        if self.rate <= 0.0 {
            return Ok(Instant::now());
        }
        let due = self.start + Duration::from_secs_f64(self.sent as f64 / self.rate);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        Ok(due)
    }

    /// Begins a call.
    pub(crate) fn send(&mut self, records: u64, message: Bytes, due: Instant) -> anyhow::Result<()> {
        let index = usize::try_from(self.sent)? % self.channels.len().max(1);
        let channel = self.channels.get(index).context("no channel")?.clone();
        self.sent += 1;
        let (path, check) = (self.path, self.check);
        self.in_flight.spawn(async move {
            let bytes = message.len() as u64;
            let mut grpc = tonic::client::Grpc::new(channel);
            grpc.ready().await?;
            let answer = grpc.unary(Request::new(message), PathAndQuery::from_static(path), RawCodec).await?;
            check(&answer.into_inner())?;
            Ok(Answered { records, bytes, latency: due.elapsed() })
        });
        Ok(())
    }

    /// Waits for all calls in flight and ends the measurement.
    pub(crate) async fn end(&mut self) -> anyhow::Result<Acknowledged> {
        while !self.in_flight.is_empty() {
            self.await_one().await?;
        }
        self.acknowledged.seconds = self.start.elapsed().as_secs_f64();
        Ok(std::mem::take(&mut self.acknowledged))
    }

    async fn await_one(&mut self) -> anyhow::Result<()> {
        let Some(joined) = self.in_flight.join_next().await else { return Ok(()) };
        let Answered { records, bytes, latency } = joined??;
        self.acknowledged.records += records;
        self.acknowledged.messages += 1;
        self.acknowledged.bytes += bytes;
        self.acknowledged.latencies_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        Ok(())
    }
}
