//! Findings of the structure checks, and the report of one check.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// One violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Finding {
    /// The path of the file, relative to the root of the repository.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The violation, without a full stop.
    pub(crate) problem: String,
    /// The remedy, without a full stop.
    pub(crate) advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}. {}.", self.file, self.line, self.problem, self.advice)
    }
}

/// The result of one check.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Violations, sorted by file and line.
    pub(crate) findings: Vec<Finding>,
    /// Violations below a path whose rules are pending, by that path.
    pub(crate) pending: BTreeMap<String, Vec<Finding>>,
    /// A figure that is worth a line.
    pub(crate) note: Option<String>,
}

impl Report {
    /// Sorts the findings and drops repeated ones.
    pub(crate) fn sort(&mut self) {
        for findings in self.pending.values_mut().chain([&mut self.findings]) {
            findings.sort();
            findings.dedup();
        }
    }

    /// Turns pending findings into findings.
    pub(crate) fn activate(&mut self) {
        self.findings.extend(std::mem::take(&mut self.pending).into_values().flatten());
        self.sort();
    }

    /// Drops findings outside a file or a folder.
    pub(crate) fn restrict(&mut self, path: &str) {
        let path = path.trim_end_matches('/');
        for findings in self.pending.values_mut().chain([&mut self.findings]) {
            findings.retain(|finding| is_below(&finding.file, path));
        }
    }

    /// One line for each path whose rules are pending.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let line = |(path, findings): (&String, &Vec<Finding>)| {
            format!("pending: {path}: {} findings do not count (see `--pending`)", findings.len())
        };
        self.pending.iter().map(line).collect()
    }
}

/// Whether a path is another one, or below it; `.` is above all.
pub(crate) fn is_below(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    folder == "." || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// All reports as one JSON object.
pub(crate) fn json(reports: &[(&str, Report)]) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Row<'a> {
        check: &'a str,
        #[serde(flatten)]
        finding: &'a Finding,
    }
    #[derive(Serialize)]
    struct Answer<'a> {
        counts: BTreeMap<&'a str, usize>,
        pending: BTreeMap<&'a str, usize>,
        findings: Vec<Row<'a>>,
    }
    let count = |report: &Report| report.pending.values().map(Vec::len).sum();
    let answer = Answer {
        counts: reports.iter().map(|(check, report)| (*check, report.findings.len())).collect(),
        pending: reports.iter().map(|(check, report)| (*check, count(report))).collect(),
        findings: reports
            .iter()
            .flat_map(|(check, report)| report.findings.iter().map(|finding| Row { check, finding }))
            .collect(),
    };
    Ok(serde_json::to_string_pretty(&answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_counts_and_one_row_for_each_finding() {
        let (problem, advice) = ("too long".to_owned(), "Split it".to_owned());
        let finding = Finding { file: "a.rs".to_owned(), line: 7, problem, advice };
        let report = Report { findings: vec![finding], ..Report::default() };
        let answer: serde_json::Value = serde_json::from_str(&json(&[("sizes", report)]).unwrap()).unwrap();
        assert_eq!(answer["counts"]["sizes"], 1);
        assert_eq!(answer["pending"]["sizes"], 0);
        assert_eq!(answer["findings"][0]["file"], "a.rs");
        assert_eq!(answer["findings"][0]["check"], "sizes");
    }

    #[test]
    fn a_path_is_below_itself_and_its_folders_only() {
        assert!(is_below("filter/src/vm.rs", "filter"));
        assert!(is_below("filter", "filter"));
        assert!(is_below("filter", "."));
        assert!(!is_below("filter-bench/a.rs", "filter"));
    }
}
