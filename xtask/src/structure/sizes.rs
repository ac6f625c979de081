//! The `sizes` check: no source file is longer than the limit.

use super::finding::{Finding, Report, is_below};
use super::pending;
use super::tree::Tree;
use serde::Deserialize;

/// `xtask/structure/sizes.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    /// The most lines of one file.
    limit: usize,
    /// Extensions of source files.
    extensions: Vec<String>,
    /// Files and folders without a limit.
    skip: Vec<Skip>,
    /// Files and folders that do not keep the limit yet.
    #[serde(default)]
    pending: Vec<String>,
}

/// A file or a folder without a limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skip {
    path: String,
    #[serde(rename = "reason")]
    _reason: String,
}

/// Counts the lines of every source file.
pub(crate) fn check(tree: &Tree, rules: &Rules) -> Report {
    let is_source = |path: &str| {
        rules.extensions.iter().any(|extension| path.ends_with(&format!(".{extension}")))
            && !rules.skip.iter().any(|skip| is_below(path, &skip.path))
    };
    let mut sizes: Vec<(usize, &str)> = tree
        .files()
        .filter(|(path, _)| is_source(path))
        .map(|(path, text)| (text.lines().count(), path))
        .collect();
    sizes.sort_unstable();
    let findings = sizes.iter().filter(|(lines, _)| *lines > rules.limit).map(|(lines, path)| Finding {
        file: (*path).to_owned(),
        line: rules.limit + 1,
        problem: format!("{lines} lines, of at most {}", rules.limit),
        advice: "Split the file along its subjects, into a folder of the same name".to_owned(),
    });
    let mut report = pending::split(findings.collect(), &rules.pending);
    let (median, _) = sizes.get(sizes.len() / 2).copied().unwrap_or_default();
    let (longest, path) = sizes.last().copied().unwrap_or_default();
    report.note = Some(format!("{} files, median {median} lines, longest {longest} ({path})", sizes.len()));
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str =
        "{limit: 3, extensions: [rs], skip: [{path: gen, reason: generated}], pending: [later]}";

    fn check(files: &[(&str, usize)], expected: &str) {
        let texts: Vec<_> = files.iter().map(|(path, lines)| (*path, "x\n".repeat(*lines))).collect();
        let files: Vec<_> = texts.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let report = super::check(&Tree::of(&files, &[]), &serde_saphyr::from_str(RULES).unwrap());
        let mut lines: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        lines.extend(report.warnings());
        lines.extend(report.note);
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn an_oversized_file_is_a_finding() {
        check(
            &[("a.rs", 1), ("b.rs", 4), ("c.rs", 2), ("gen/d.rs", 9), ("e.txt", 9)],
            "b.rs:4: 4 lines, of at most 3. Split the file along its subjects, into a folder of the same name.\n\
             pending: later: 0 findings do not count (see `--pending`)\n\
             3 files, median 2 lines, longest 4 (b.rs)",
        );
    }

    #[test]
    fn an_oversized_file_below_a_pending_path_is_a_warning() {
        check(
            &[("later/b.rs", 5)],
            "pending: later: 1 findings do not count (see `--pending`)\n\
             1 files, median 5 lines, longest 5 (later/b.rs)",
        );
    }
}
