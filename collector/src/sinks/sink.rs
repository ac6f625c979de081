//! A sink.

use hopscope_core::metrics::Visitor;
use hopscope_core::settings::Sections;
use std::time::Duration;

/// An output of metrics. One cut is one pass over all families, by series.
pub trait Sink: Sized + Send + 'static {
    /// Value of the label `sink`.
    const NAME: &'static str;

    /// Section of the settings.
    type Settings: Sections;

    /// Encoder of one cut. Samples of one series arrive together.
    type Encoder: Visitor + Send + 'static;

    /// Time from cut to cut; `None` when the sink is disabled.
    fn interval(settings: &Self::Settings) -> Option<Duration>;

    /// Returns a sink that has sent nothing.
    fn new(settings: &Self::Settings) -> Self;

    /// Begins a cut that was taken at `now_us`, microseconds since the Unix epoch.
    fn encode(&self, now_us: u64) -> Self::Encoder;

    /// Sends a complete cut. The next cut is taken after the future has ended.
    fn send(&mut self, cut: Self::Encoder) -> impl Future<Output = Sent> + Send;
}

/// Result of sending one cut, in items. Each item of the cut is in one of the counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Items that the receiver has.
    pub delivered: u64,
    /// Items that the receiver refused.
    pub rejected: u64,
    /// Items that the sink gave up.
    pub dropped: u64,
}
