//! Traffic through the whole mesh.
//!
//! In: a client, how much, and what part of it is to cause which faults. Out: a [`Tally`] of what was sent and
//! what came back.
//! Always: every fault that is asked for comes round again and again; parallelism, count and time are bounded.

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
use schedule::{Errand, Schedule};

/// Longest time that [`drive`] sends, whatever was asked for.
const DRIVE_FOR_MAX: Duration = Duration::from_secs(600);

/// Errands of a [`steady`] traffic under way at once; what would be more is skipped.
const PARALLEL_MAX: usize = 128;

/// Sends so many requests as fast as they are answered, `parallel` errands at a time.
pub async fn drive(client: &Client, requests: u64, mix: &Mix, parallel: usize) -> Tally {
    let start = Instant::now();
    let schedule = Arc::new(Mutex::new(Schedule::new(mix, requests)));
    let mut senders = JoinSet::new();
    for _ in 0..parallel {
        let (client, schedule) = (client.clone(), Arc::clone(&schedule));
        senders.spawn(async move {
            let mut tally = Tally::default();
            while start.elapsed() < DRIVE_FOR_MAX
                && let Some(errand) = next(&schedule, &client)
            {
                tally.add(errand.fault, &client.send(errand.fault, errand.requests).await);
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

/// Sends `rate` requests a second until `end`, waits for the last answers, and puts all of them into `tally`.
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
    while let Some(errand) = next(&schedule, client) {
        for _ in 0..errand.requests {
            ticks.tick().await;
        }
        while senders.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&limit).try_acquire_owned() else { continue };
        let (client, tally) = (client.clone(), Arc::clone(tally));
        senders.spawn(async move {
            let answers = client.send(errand.fault, errand.requests).await;
            tally.lock().unwrap_or_else(PoisonError::into_inner).add(errand.fault, &answers);
            drop(permit);
        });
    }
}

fn next(schedule: &Mutex<Schedule>, client: &Client) -> Option<Errand> {
    schedule.lock().unwrap_or_else(PoisonError::into_inner).next(|fault| client.burst(Some(fault)))
}

#[cfg(test)]
mod tests;
