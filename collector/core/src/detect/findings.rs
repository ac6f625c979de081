//! Findings that hold at their last check, by detector and edge.
//!
//! Invariant: at most `detect.findings_max` findings; a further one is dropped and counted at each
//! of its checks. A finding ends when its detector no longer reports it, or when a whole round over
//! the edges did not check its edge.

use super::Finding;
use crate::identity::EdgeId;
use std::collections::BTreeMap;

/// Findings of all detectors.
#[derive(Debug, Default)]
pub struct Findings {
    /// Each with the round of its last check.
    current: BTreeMap<(&'static str, EdgeId), (Finding, u64)>,
    round: u64,
    dropped: u64,
}

impl Findings {
    /// The findings, by detector and then by edge.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.current.values().map(|(finding, _)| finding)
    }

    /// Number of findings of a detector.
    #[must_use]
    pub fn count(&self, detector: &str) -> usize {
        self.iter().filter(|finding| finding.detector == detector).count()
    }

    /// Number of findings that the limit dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Stores the result of a check.
    pub(super) fn set(
        &mut self,
        detector: &'static str,
        edge: EdgeId,
        finding: Option<Finding>,
        findings_max: usize,
    ) {
        let key = (detector, edge);
        let Some(finding) = finding else {
            self.current.remove(&key);
            return;
        };
        if self.current.len() >= findings_max && !self.current.contains_key(&key) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.current.insert(key, (finding, self.round));
    }

    /// Ends a round over all edges: removes the findings that it did not check.
    pub(super) fn end_round(&mut self) {
        let round = self.round;
        self.current.retain(|_, (_, checked)| *checked == round);
        self.round += 1;
    }

    /// Removes the findings for which `holds` is false.
    pub(super) fn retain(&mut self, holds: impl Fn(&'static str, EdgeId) -> bool) {
        self.current.retain(|(detector, edge), _| holds(detector, *edge));
    }
}
