//! Traffic through the whole mesh.
//!
//! In: a client, a number of requests, a share of faults. Out: a [`Tally`] of requests and answers.
//! Invariant: all chosen faults take turns; parallelism, count and time are bounded.

mod latency;
mod schedule;
mod tally;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{self, MissedTickBehavior};

pub use latency::Latencies;
pub use schedule::Mix;
pub use tally::{Answers, Tally};

use crate::client::Client;
use schedule::{RequestGroup, Schedule};

/// Longest time for which [`drive`] sends.
const DRIVE_FOR_MAX: Duration = Duration::from_secs(600);

/// Errands in flight of [`steady`] traffic; further ones are skipped.
const PARALLEL_MAX: usize = 128;

/// Sends requests as fast as they are answered, `parallel` groups at a time.
pub async fn drive(client: &Client, requests: u64, mix: &Mix, parallel: usize) -> Tally {
    let start = Instant::now();
    let schedule = Arc::new(Mutex::new(Schedule::new(mix, requests)));
    let mut senders = JoinSet::new();
    for _ in 0..parallel {
        let (client, schedule) = (client.clone(), Arc::clone(&schedule));
        senders.spawn(async move {
            let mut tally = Tally::default();
            while start.elapsed() < DRIVE_FOR_MAX
                && let Some(group) = next(&schedule, &client)
            {
                tally.add(group.fault, &client.send(group.fault, group.requests).await);
            }
            tally
        });
    }
    let mut total = Tally::default();
    while let Some(tally) = senders.join_next().await {
        total.merge(tally.unwrap_or_default());
    }
    total
}

/// Sends `rate` requests per second until `end`, waits for the last answers, and adds all of them
/// to `tally`.
pub async fn steady(client: &Client, rate: f64, mix: &Mix, tally: &Arc<Mutex<Tally>>, end: impl Future) {
    let mut senders = JoinSet::new();
    tokio::select! {
        () = send_steadily(client, rate, mix, tally, &mut senders) => {}
        _ = end => {}
    }
    senders.join_all().await;
}

async fn send_steadily(
    client: &Client,
    rate: f64,
    mix: &Mix,
    tally: &Arc<Mutex<Tally>>,
    senders: &mut JoinSet<()>,
) {
    let schedule = Mutex::new(Schedule::new(mix, u64::MAX));
    let limit = Arc::new(Semaphore::new(PARALLEL_MAX));
    let mut ticks = time::interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while let Some(group) = next(&schedule, client) {
        for _ in 0..group.requests {
            ticks.tick().await;
        }
        while senders.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&limit).try_acquire_owned() else { continue };
        let (client, tally) = (client.clone(), Arc::clone(tally));
        senders.spawn(async move {
            let answers = client.send(group.fault, group.requests).await;
            tally.lock().unwrap_or_else(PoisonError::into_inner).add(group.fault, &answers);
            drop(permit);
        });
    }
}

fn next(schedule: &Mutex<Schedule>, client: &Client) -> Option<RequestGroup> {
    schedule.lock().unwrap_or_else(PoisonError::into_inner).next(|fault| client.burst(Some(fault)))
}

#[cfg(test)]
mod tests;
