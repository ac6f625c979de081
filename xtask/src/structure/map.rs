//! The `map` check: the module tables of ARCHITECTURE.md against the files.
//!
//! Invariant: every path in a first column exists; every top-level module and every package has a
//! row.

use super::finding::{Finding, Report, is_below};
use super::tree::Tree;
use serde::Deserialize;
use std::collections::BTreeSet;

/// `xtask/structure/map.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    /// The document with the tables.
    document: String,
    /// First headers of tables that list modules.
    headers: Vec<String>,
    /// Folders of the crates whose top-level modules each need a row.
    crates: Vec<String>,
    /// Whether the document does not describe the tree yet.
    #[serde(default)]
    pending: bool,
}

/// A path in the first column of a table.
struct Row {
    path: String,
    line: usize,
}

/// Compares the tables with the files.
pub(crate) fn check(tree: &Tree, rules: &Rules) -> Report {
    let text = tree.text(&rules.document).unwrap_or_default();
    let rows = rows(text, &rules.headers);
    let end = rows.last().map_or(1, |row| row.line);
    let finding = |line, problem: String, advice: &str| Finding {
        file: rules.document.clone(),
        line,
        problem,
        advice: advice.to_owned(),
    };
    let mut findings = Vec::new();
    for row in rows.iter().filter(|row| !exists(tree, &row.path)) {
        let problem = format!("the row names `{}`, which does not exist", row.path);
        findings.push(finding(row.line, problem, "Correct the path (from the root), or remove the row"));
    }
    for module in modules(tree, &rules.crates) {
        if !rows.iter().any(|row| row.path.trim_end_matches(".rs") == module) {
            let problem = format!("no row names the module `{module}`");
            findings.push(finding(end, problem, "Add a row to the table: the path, and one line of purpose"));
        }
    }
    for package in tree.packages() {
        if !rows.iter().any(|row| package_of(tree, &row.path) == Some(package)) {
            let problem = format!("no row names the package `{package}`");
            findings.push(finding(end, problem, "Add a row to the table: the path, and one line of purpose"));
        }
    }
    let pending = if rules.pending { vec![".".to_owned()] } else { Vec::new() };
    super::pending::split(findings, &pending)
}

/// The code spans of all first columns. A span without a slash stands beside the first span of its
/// cell.
fn rows(text: &str, headers: &[String]) -> Vec<Row> {
    let mut rows = Vec::new();
    let (mut inside, mut listed) = (false, false);
    for (index, line) in text.lines().enumerate() {
        let Some(cell) = line.trim().strip_prefix('|').and_then(|line| line.split('|').next()) else {
            inside = false;
            continue;
        };
        if !inside {
            inside = true;
            listed = headers.iter().any(|header| header == cell.trim());
        } else if listed {
            rows.extend(paths(cell).into_iter().map(|path| Row { path, line: index + 1 }));
        }
    }
    rows
}

fn paths(cell: &str) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for span in cell.split('`').skip(1).step_by(2) {
        let folder =
            paths.first().and_then(|first| first.rsplit_once('/')).map(|(folder, _)| folder.to_owned());
        let span = span.trim_end_matches('/');
        match folder {
            Some(folder) if !span.contains('/') => paths.push(format!("{folder}/{span}")),
            _ => paths.extend(alternatives(span)),
        }
    }
    paths
}

/// `a/{b,c}` as `a/b` and `a/c`.
fn alternatives(span: &str) -> Vec<String> {
    let parts = span.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?)));
    match parts {
        Some((head, (names, tail))) => {
            names.split(',').map(|name| format!("{head}{}{tail}", name.trim())).collect()
        }
        None => vec![span.to_owned()],
    }
}

/// A module may be named without the extension of its file.
fn exists(tree: &Tree, path: &str) -> bool {
    tree.exists(path) || tree.exists(&format!("{path}.rs"))
}

/// Files and folders directly in the `src` of the crates, without extensions.
fn modules(tree: &Tree, crates: &[String]) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for folder in crates {
        let source = format!("{folder}/src/");
        for (path, _) in tree.files().filter(|(path, _)| path.ends_with(".rs")) {
            let Some(rest) = path.strip_prefix(&source) else { continue };
            let module = rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs");
            if !["lib", "main", "tests"].contains(&module) {
                modules.insert(format!("{source}{module}"));
            }
        }
    }
    modules
}

/// The innermost package that holds a path.
fn package_of<'a>(tree: &'a Tree, path: &str) -> Option<&'a String> {
    tree.packages().iter().filter(|package| is_below(path, package)).max_by_key(|package| package.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "{document: A.md, headers: [module], crates: [c, c/core]}";

    fn check(document: &str, files: &[&str], expected: &[&str]) {
        let mut tree: Vec<_> = files.iter().map(|path| (*path, "")).collect();
        tree.push(("A.md", document));
        let tree = Tree::of(&tree, &["c", "c/core", "x"]);
        let mut report = super::check(&tree, &serde_saphyr::from_str(RULES).unwrap());
        report.sort();
        let lines: Vec<_> = report.findings.iter().map(|f| format!("{}: {}", f.line, f.problem)).collect();
        assert_eq!(lines, expected);
    }

    const FILES: [&str; 6] = [
        "c/src/lib.rs",
        "c/src/a.rs",
        "c/src/a/b.rs",
        "c/core/src/d/mod.rs",
        "c/core/src/e.rs",
        "x/src/main.rs",
    ];

    #[test]
    fn a_complete_map_has_no_finding() {
        let map = "| module | purpose |\n| --- | --- |\n| `c/src/a` | a |\n| `c/core/src/{d,e}` | d |\n| `x/src` | x |";
        check(map, &FILES, &[]);
    }

    #[test]
    fn a_missing_row_is_a_finding() {
        let map = "| module | purpose |\n| --- | --- |\n| `c/src/a.rs` | a |\n| `c/core/src/d` | d |";
        check(map, &FILES, &["4: no row names the module `c/core/src/e`", "4: no row names the package `x`"]);
    }

    #[test]
    fn the_rows_of_a_nested_package_do_not_stand_for_the_outer_one() {
        let map = "| module | purpose |\n| --- | --- |\n| `c/core/src/d`, `e.rs` | d |\n| `x` | x |";
        check(map, &FILES, &["4: no row names the module `c/src/a`", "4: no row names the package `c`"]);
    }

    #[test]
    fn a_row_without_a_file_is_a_finding() {
        let map = "| module |\n| --- |\n| `c/src/a/b.rs`, `gone.rs` |\n| `c/src/a` |\n| `c/core/src/{d,e}` |\n| `x` |";
        check(map, &FILES, &["3: the row names `c/src/a/gone.rs`, which does not exist"]);
    }

    #[test]
    fn a_table_of_terms_lists_no_modules() {
        let map = "| term |\n| --- |\n| `gone` |\n\n| module |\n| --- |\n| `c/src/a` |\n| `c/core/src/{d,e}` |\n| `x` |";
        check(map, &FILES, &[]);
    }
}
