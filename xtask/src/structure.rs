//! `cargo xtask structure`: the map, the imports, the words and the file sizes of the repository.
//!
//! In: the files that git knows and the rules in `xtask/structure/*.yaml`.
//! Out: sorted findings, each with its place, its problem and the remedy; exit code 1 where there
//! is one.
//! Invariant: a check is a pure function of texts.

mod finding;
mod tree;
mod rust;
mod pending;
mod map;
mod imports;
mod words;
mod sizes;

use crate::progress::{self, done, remark, step};
use anyhow::{Context, bail};
use clap::ValueEnum;
use finding::Report;
use serde::de::DeserializeOwned;
use tree::Tree;

/// Options of `cargo xtask structure`.
#[derive(clap::Args)]
#[command(after_long_help = TEACHING)]
pub(crate) struct Arguments {
    /// Checks to run; all of them by default.
    #[arg(value_name = "CHECK")]
    checks: Vec<Check>,
    /// Report findings in this file, or in files below this folder, only.
    #[arg(long, value_name = "PATH")]
    below: Option<String>,
    /// Report pending findings too: ignore every `pending` in the rules.
    #[arg(long)]
    pending: bool,
    /// Print the import graph of each crate on standard output, and check nothing.
    #[arg(long)]
    graph: bool,
    /// With `--graph`, print the imports of each file, too.
    #[arg(long, requires = "graph")]
    files: bool,
    /// Print one JSON object on standard output: findings, and a count per check.
    #[arg(long, conflicts_with = "graph")]
    json: bool,
}

/// Parts of the structure that are checked.
#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub(crate) enum Check {
    /// ARCHITECTURE.md names every module and package, and nothing that does not exist.
    Map,
    /// Modules import only from layers below their own, and without cycles.
    Imports,
    /// Identifiers, comments, texts and docs avoid the words of the list.
    Words,
    /// No source file is longer than the limit.
    Sizes,
}

const TEACHING: &str = "\
Rules (plain data, read at each run):
  xtask/structure/map.yaml      the document and the table headers that list modules
  xtask/structure/imports.yaml  layers of each crate, top to bottom; exceptions with a reason
  xtask/structure/words.yaml    words not to use, and the words to use instead
  xtask/structure/sizes.yaml    the longest source file

A finding is one line: FILE:LINE: problem. Remedy. Where a rule does not hold yet, `pending` in its
file turns findings into a warning with a count; `--pending` lists them.

Examples:
  cargo xtask structure                             all checks
  cargo xtask structure imports                     one check
  cargo xtask structure words --below filter        one check, one folder
  cargo xtask structure words --below filter --pending
  cargo xtask structure --graph                     imports of each module, by layer
  cargo xtask structure --json | jq .counts         for machines";

/// Runs `cargo xtask structure`.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let tree = Tree::load()?;
    if arguments.graph {
        progress::answer(imports::graph(&tree, &rules(&tree, Check::Imports)?, arguments.files)?.trim_end());
        return Ok(());
    }
    let chosen = |check: &Check| arguments.checks.is_empty() || arguments.checks.contains(check);
    let mut reports = Vec::new();
    for check in Check::value_variants().iter().filter(|check| chosen(check)) {
        let mut report = step(check.title(), || examine(*check, &tree))?;
        if arguments.pending {
            report.activate();
        }
        if let Some(path) = &arguments.below {
            report.restrict(path);
        }
        if !arguments.json {
            show(&report);
        }
        reports.push((check.name(), report));
    }
    if arguments.json {
        progress::answer(&finding::json(&reports)?);
    }
    conclude(&reports)
}

/// Runs all checks, as one part of `cargo xtask check`.
pub(crate) fn check_all() -> anyhow::Result<()> {
    let checks = Vec::new();
    run(&Arguments { checks, below: None, pending: false, graph: false, files: false, json: false })
}

fn examine(check: Check, tree: &Tree) -> anyhow::Result<Report> {
    let mut report = match check {
        Check::Map => map::check(tree, &rules(tree, check)?),
        Check::Imports => imports::check(tree, &rules(tree, check)?)?,
        Check::Words => words::check(tree, &rules(tree, check)?)?,
        Check::Sizes => sizes::check(tree, &rules(tree, check)?),
    };
    report.sort();
    Ok(report)
}

fn rules<T: DeserializeOwned>(tree: &Tree, check: Check) -> anyhow::Result<T> {
    let path = format!("xtask/structure/{}.yaml", check.name());
    let text = tree.text(&path).with_context(|| format!("failed to find {path}"))?;
    serde_saphyr::from_str(text).with_context(|| format!("failed to read {path}"))
}

fn show(report: &Report) {
    for finding in &report.findings {
        remark(&finding.to_string());
    }
    for warning in &report.warnings() {
        progress::warning(warning);
    }
    if let Some(note) = &report.note {
        remark(note);
    }
}

fn conclude(reports: &[(&str, Report)]) -> anyhow::Result<()> {
    let counts: Vec<String> =
        reports.iter().map(|(name, report)| format!("{name} {}", report.findings.len())).collect();
    if reports.iter().any(|(_, report)| !report.findings.is_empty()) {
        bail!("structure: findings: {} (see `cargo xtask structure --help`)", counts.join(", "));
    }
    done(&format!("structure: findings: {}", counts.join(", ")));
    Ok(())
}

impl Check {
    /// The name on the command line, and of the file with the rules.
    fn name(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Imports => "imports",
            Self::Words => "words",
            Self::Sizes => "sizes",
        }
    }

    /// The title of the step.
    fn title(self) -> &'static str {
        match self {
            Self::Map => "structure: map",
            Self::Imports => "structure: imports",
            Self::Words => "structure: words",
            Self::Sizes => "structure: sizes",
        }
    }
}
