//! Detectors: rules that check each edge and report findings.
//!
//! In: read access to the stages, and the time. Out: [`Findings`]. Invariant: one tick checks at
//! most `detect.edges_per_tick_max` edges; without an enabled detector it checks none, and the
//! record path never calls this stage.
//!
//! # Adding a detector
//!
//! 1. `detect/<name>.rs`: section `detect_<name>` with `enabled`, and [`Detector`] for the
//!    section; tests in `detect/<name>/tests.rs`.
//! 2. One line in the list below. Settings, checks and metrics follow from the list.

mod finding;
mod findings;
mod list;
mod settings;
mod view;
pub(crate) mod metrics;

pub use finding::{Detector, Finding};
pub use findings::Findings;
pub use settings::Limits;
pub use view::{Stages, View};

use crate::identity::EdgeId;
use list::detectors;

detectors! {
    // One line per detector.
    no_success
}

/// The stage: its settings, its findings, and the position of the next check.
#[derive(Debug, Default)]
pub struct Detect {
    settings: Settings,
    findings: Findings,
    /// Number of the edge that the next tick checks first.
    next_edge: usize,
}

impl Detect {
    /// Returns a stage without findings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Applies other settings. A disabled detector loses its findings.
    pub fn limit(&mut self, settings: Settings) {
        self.settings = settings;
        let Self { settings, findings, .. } = self;
        findings.retain(|detector, _| settings.is_enabled(detector));
    }

    /// Findings that hold at their last check.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Removes the findings of edges that no longer exist.
    pub fn retain(&mut self, exists: impl Fn(EdgeId) -> bool) {
        self.findings.retain(|_, edge| exists(edge));
    }

    /// Checks the next edges that have windows. `now_us`: microseconds since the Unix epoch.
    pub fn tick(&mut self, stages: Stages<'_>, now_us: u64) {
        if !Settings::DETECTORS.iter().any(|detector| self.settings.is_enabled(detector)) {
            return;
        }
        let Limits { edges_per_tick_max, findings_max } = self.settings.limits;
        let end = self.next_edge.saturating_add(edges_per_tick_max);
        while self.next_edge < end {
            let (found, next) = stages.windows.next_edge(self.next_edge, end - self.next_edge);
            if let Some((_, edge)) = found {
                let view = View { edge, stages };
                let mut report = |detector, finding| self.findings.set(detector, edge, finding, findings_max);
                self.settings.check(view, now_us, &mut report);
            }
            let Some(next) = next else {
                self.next_edge = 0;
                return self.findings.end_round();
            };
            self.next_edge = next;
        }
    }
}

#[cfg(test)]
mod tests;
