//! Sinks: outputs that receive all metrics at an interval.
//!
//! In: one cut per interval, read through the engine reader. Out: encoded cuts. Invariant: each
//! sink is a task of its own with one cut at a time, so that a slow sink delays only itself;
//! encoding happens on a thread that may block and never holds the engine.
//!
//! # Adding a sink
//!
//! 1. `sinks/<name>.rs`: section `sink_<name>` of the settings, and a type `Sink` that implements
//!    [`Sink`].
//! 2. One line in the list below. Settings, task and metrics follow from the list.

mod list;
mod runner;
mod sink;

pub use runner::Runner;
pub use sink::{Sent, Sink};

use list::sinks;

sinks! {
    // One line per sink.
    blackhole
}
