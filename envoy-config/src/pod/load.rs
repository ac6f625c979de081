//! HTTP requests at a steady rate.
//!
//! In: a URL, a rate, a time. Out: counts of requests and answers, one JSON object on standard
//! output.
//! Invariant: as many answers as requests, missing answers included; the program ends after its
//! time, or on SIGTERM with the counts so far.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{self, MissedTickBehavior};

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Longest answer.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Arguments of the program.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// URL, `http://` only.
    #[arg(long)]
    url: Uri,
    /// Requests per second.
    #[arg(long, default_value_t = 10.0)]
    rate: f64,
    /// Duration, seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Largest number of requests.
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// Largest number of parallel requests; further ones wait.
    #[arg(long, default_value_t = 64)]
    parallel: usize,
    /// Disconnect after this time without an answer, milliseconds.
    #[arg(long, default_value_t = 30_000)]
    patience_ms: u64,
    /// A new connection for each request.
    #[arg(long)]
    no_keep_alive: bool,
    /// `host` header, if other than that of the URL.
    #[arg(long)]
    host: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Tally {
    sent: u64,
    answers: BTreeMap<u16, u64>,
    none: u64,
    /// First errors of requests without an answer.
    errors: Vec<String>,
}

/// Sends the requests.
pub(super) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut stop = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut senders = JoinSet::new();
    tokio::select! {
        () = send(&arguments, &tally, &mut senders) => {}
        () = time::sleep(Duration::from_secs(arguments.seconds)) => {}
        _ = stop.recv() => {}
    }
    senders.join_all().await;
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    serde_json::to_writer(std::io::stdout(), &*tally)?;
    Ok(ExitCode::SUCCESS)
}

async fn send(arguments: &Arguments, tally: &Arc<Mutex<Tally>>, senders: &mut JoinSet<()>) {
    let idle = if arguments.no_keep_alive { 0 } else { arguments.parallel };
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(idle).build_http();
    let limit = Arc::new(Semaphore::new(arguments.parallel.max(1)));
    let mut ticks = time::interval(Duration::from_secs_f64(1.0 / arguments.rate.max(0.1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..arguments.requests {
        ticks.tick().await;
        while senders.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&limit).acquire_owned().await else { return };
        let (client, tally) = (client.clone(), Arc::clone(tally));
        let patience = Duration::from_millis(arguments.patience_ms).min(DEADLINE);
        let (url, host) = (arguments.url.clone(), arguments.host.clone());
        lock(&tally).sent += 1;
        senders.spawn(async move {
            let answer = time::timeout(patience, request(&client, url, host)).await;
            lock(&tally).add(answer.unwrap_or_else(|late| Err(late.into())));
            drop(permit);
        });
    }
    // The caller waits for the answers.
}

async fn request(
    client: &Client<HttpConnector, Empty<Bytes>>,
    url: Uri,
    host: Option<String>,
) -> Result<u16> {
    let mut request = Request::get(url);
    if let Some(host) = host {
        request = request.header(hyper::header::HOST, host);
    }
    let response = client.request(request.body(Empty::new())?).await?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
    body.map_err(anyhow::Error::from_boxed)?;
    Ok(status)
}

fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tally {
    fn add(&mut self, answer: Result<u16>) {
        match answer {
            Ok(status) => *self.answers.entry(status).or_default() += 1,
            Err(error) => {
                self.none += 1;
                if self.errors.len() < 5 {
                    self.errors.push(format!("{error:#}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_answer_counts() {
        let mut tally = Tally { sent: 3, ..Tally::default() };
        tally.add(Ok(200));
        tally.add(Ok(503));
        tally.add(Err(anyhow::anyhow!("gone")));
        let json = serde_json::to_string(&tally).unwrap();
        assert_eq!(json, r#"{"sent":3,"answers":{"200":1,"503":1},"none":1,"errors":["gone"]}"#);
    }
}
