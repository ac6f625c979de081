//! Paths whose rules are pending: their findings are counted in a warning and fail nothing.

use super::finding::{Finding, Report, is_below};

/// Splits findings into those that count and those below a pending path.
pub(crate) fn split(findings: Vec<Finding>, pending: &[String]) -> Report {
    let mut report = Report::default();
    for path in pending {
        report.pending.entry(path.clone()).or_default();
    }
    for finding in findings {
        match pending.iter().find(|path| is_below(&finding.file, path)) {
            Some(path) => report.pending.entry(path.clone()).or_default().push(finding),
            None => report.findings.push(finding),
        }
    }
    report
}
