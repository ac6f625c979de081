//! Metric families of the detectors.

use super::{Detect, Settings};
use crate::metrics::{Family, Metric, Visitor, families, visit, visit_rows};

static FINDINGS: [Metric<usize>; 1] =
    [Metric::<usize>::gauge("hopscope_findings", "Findings that hold, by detector.", |count| {
        (*count).into()
    })
    .labels(&["detector"])];

static DROPPED: [Metric<Detect>; 1] = [Metric::counter(
    "hopscope_findings_dropped_total",
    "Findings dropped at a check because `detect.findings_max` was reached.",
    |detect| Some(detect.findings.dropped()),
)];

/// All declarations.
pub(crate) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&FINDINGS).chain(families(&DROPPED))
}

impl Detect {
    /// Visits the families of the stage.
    pub fn metrics(&self, to: &mut impl Visitor) {
        let count = |detector: &&'static str| ([*detector], self.findings.count(detector));
        let rows: Vec<_> = Settings::DETECTORS.iter().map(count).collect();
        visit_rows(&FINDINGS, &rows, to);
        visit(&DROPPED, self, to);
    }
}
