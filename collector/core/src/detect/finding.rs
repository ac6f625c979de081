//! Detector and finding.

use super::View;
use crate::identity::EdgeId;
use crate::settings::Sections;

/// A detector. The type that implements it is the section of its settings, so that a check depends
/// on nothing else than settings, stages and time.
pub trait Detector: Sections {
    /// Value of the label `detector`.
    const NAME: &'static str;

    /// Whether the detector runs.
    fn is_enabled(&self) -> bool;

    /// Checks one edge. `now_us`: microseconds since the Unix epoch. Cost: that of reading the
    /// windows of the edge once.
    fn check(&self, view: &View<'_>, now_us: u64) -> Option<Finding>;
}

/// A problem that a detector reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the detector.
    pub detector: &'static str,
    /// Edge with the problem.
    pub subject: EdgeId,
    /// Begin of the problem, microseconds since the Unix epoch.
    pub onset_us: u64,
    /// Number of affected requests.
    pub size: u64,
    /// Figures that the finding is based on, as one sentence.
    pub evidence: String,
}
