//! Sink that discards all cuts, to measure the cost of a cut and to test the collector.
//!
//! In: a cut. Out: the number of its samples, counted as delivered.

mod settings;

pub use settings::Settings;

use super::Sent;
use hopscope_core::metrics::{Buckets, Extra, Family, Labels, Number, Visitor};
use std::time::Duration;

/// Sink that discards all cuts.
#[derive(Debug)]
pub struct Sink;

/// Number of samples of one cut.
#[derive(Debug, Default)]
pub struct Encoder {
    items: u64,
}

impl Visitor for Encoder {
    fn family(&mut self, _: &'static Family) {}

    fn series(&mut self, _: Labels<'_>) {}

    fn number(&mut self, _: &'static Family, _: Extra, _: Number, _: Option<u64>) {
        self.items += 1;
    }

    fn histogram(&mut self, _: &'static Family, _: &Buckets, _: Option<u64>) {
        self.items += 1;
    }
}

impl super::Sink for Sink {
    const NAME: &'static str = "blackhole";
    type Settings = Settings;
    type Encoder = Encoder;

    fn interval(settings: &Settings) -> Option<Duration> {
        settings.enabled.then(|| Duration::from_secs(settings.interval_s))
    }

    fn new(_: &Settings) -> Self {
        Self
    }

    fn encode(&self, _: u64) -> Encoder {
        Encoder::default()
    }

    async fn send(&mut self, cut: Encoder) -> Sent {
        Sent { delivered: cut.items, ..Sent::default() }
    }
}

#[cfg(test)]
mod tests;
