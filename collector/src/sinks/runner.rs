//! Tasks of the sinks.
//!
//! In: sinks with their settings. Out: one task per enabled sink. Invariant: a sink takes its next
//! cut after it has sent the last one, at most one per interval.

use super::{Sent, Sink};
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::metrics::{Scope, visit_all};
use crate::runtime::reader::EngineReader;
use hopscope_core::metrics::{BySeries, Visitor};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Running sinks. They end when the runner is dropped.
pub struct Runner {
    handle: Arc<EngineHandle>,
    tasks: JoinSet<()>,
}

impl Runner {
    /// Returns a runner without tasks.
    #[must_use]
    pub fn new(handle: Arc<EngineHandle>) -> Self {
        Self { handle, tasks: JoinSet::new() }
    }

    /// Starts a sink, unless it is disabled.
    #[must_use]
    pub fn with<S: Sink>(mut self, settings: &S::Settings) -> Self {
        if let Some(interval) = S::interval(settings) {
            self.handle.stats().sinks().add(S::NAME);
            self.tasks.spawn(run(S::new(settings), interval, self.handle.clone()));
        }
        self
    }
}

/// Sends one cut per interval, until the engine has gone.
async fn run<S: Sink>(mut sink: S, interval: Duration, handle: Arc<EngineHandle>) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick completes at once, before the collector has received anything.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let Some(cut) = encode(sink.encode(handle.wall_us()), handle.clone()).await else { return };
        let Sent { delivered, rejected, dropped } = sink.send(cut).await;
        handle.stats().sinks().count(S::NAME, [delivered, rejected, dropped], handle.wall_us());
    }
}

/// Encodes a cut on a thread that may block; `None` when the engine has gone.
async fn encode<E: Visitor + Send + 'static>(mut encoder: E, handle: Arc<EngineHandle>) -> Option<E> {
    let (reader, serve) = EngineReader::new(handle.clone());
    let pass = tokio::task::spawn_blocking(move || {
        visit_all::<BySeries>(&handle, &reader, Scope::All, &mut encoder).map(|()| encoder)
    });
    let ((), encoded) = tokio::join!(serve, pass);
    encoded.ok().flatten()
}

#[cfg(test)]
mod tests;
