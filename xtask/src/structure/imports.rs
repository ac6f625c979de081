//! The `imports` check: imports between modules against the layers of their crate, and import
//! cycles.
//!
//! Invariant: a parent module and its own children are one unit. A parent may name its children,
//! and a child its parent; cycles count among siblings, and among the modules that the layers list.

mod source;
mod modules;
mod layers;
mod cycles;

use super::finding::{Finding, Report};
use super::tree::Tree;
use cycles::{Cycle, Graph};
use layers::Layers;
use modules::{Import, Modules, is_ancestor, parent};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The file of the rules, for findings about them.
const RULES: &str = "xtask/structure/imports.yaml";

/// `xtask/structure/imports.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    crates: Vec<Layers>,
}

/// Checks the imports of every crate of the rules.
pub(crate) fn check(tree: &Tree, rules: &Rules) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for layers in &rules.crates {
        let modules = Modules::read(tree, &layers.path, &layers.name)?;
        let imports = modules.imports();
        let mut findings = unlisted(tree, layers, &modules);
        findings.extend(stale(tree, layers, &modules, &imports));
        findings.extend(forbidden(layers, &imports));
        findings.extend(cyclic(layers, &modules, &imports));
        if layers.pending {
            report.pending.insert(layers.path.clone(), findings);
        } else {
            report.findings.extend(findings);
        }
    }
    Ok(report)
}

/// The imports of each module of the rules, as text: one module a line, in the order of the layers.
/// With `files`, the imports of each file follow.
pub(crate) fn graph(tree: &Tree, rules: &Rules, files: bool) -> anyhow::Result<String> {
    let mut text = String::new();
    for layers in &rules.crates {
        let modules = Modules::read(tree, &layers.path, &layers.name)?;
        let imports = modules.imports();
        let (units, graph) = (units(layers, &modules), top_graph(layers, &imports));
        let width = units.iter().map(|unit| unit.len()).max().unwrap_or(0);
        writeln!(text, "{} ({} modules, {} imports)", layers.path, modules.names().count(), imports.len())?;
        let mut ordered: Vec<(usize, &str)> = units.iter().map(|unit| (depth(layers, unit), *unit)).collect();
        ordered.sort_unstable();
        for (layer, unit) in ordered {
            let layer = if layer == usize::MAX { "-".to_owned() } else { (layer + 1).to_string() };
            let mut imported: Vec<&str> = graph.imported(unit).collect();
            imported.sort_unstable_by_key(|unit| (depth(layers, unit), *unit));
            let mark = |to: &&str| if layers.allow(unit, to) { (*to).to_owned() } else { format!("!{to}") };
            let imported: Vec<String> = imported.iter().map(mark).collect();
            writeln!(text, "{layer:>4} {unit:width$} → {}", imported.join(" "))?;
        }
        if files {
            write_files(&mut text, &imports)?;
        }
    }
    text.push_str(
        "The first column is the layer, 1 at the top; `!` marks an import that the layers do not allow.\n",
    );
    Ok(text)
}

fn write_files(text: &mut String, imports: &[Import]) -> anyhow::Result<()> {
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for import in imports.iter().filter(|import| !import.to.is_empty()) {
        files.entry(&import.file).or_default().insert(&import.to);
    }
    for (file, imported) in files {
        writeln!(text, "     {file} → {}", imported.into_iter().collect::<Vec<_>>().join(" "))?;
    }
    Ok(())
}

/// The layer of a module; one that no layer lists comes last.
fn depth(layers: &Layers, unit: &str) -> usize {
    layers.layer(unit).unwrap_or(usize::MAX)
}

/// The modules of the top level: those that the layers list, and other top-level ones.
fn units<'a>(layers: &'a Layers, modules: &'a Modules) -> BTreeSet<&'a str> {
    modules.names().filter(|name| !name.is_empty()).map(|name| layers.unit(name)).collect()
}

/// Imports that matter: not between a module and one of its own ancestors.
fn crosses(import: &Import) -> bool {
    !is_ancestor(&import.from, &import.to) && !is_ancestor(&import.to, &import.from)
}

/// The line where the rules of a crate begin.
fn start(tree: &Tree, layers: &Layers) -> usize {
    tree.line_of(RULES, &format!("path: {}", layers.path), 1)
}

fn unlisted(tree: &Tree, layers: &Layers, modules: &Modules) -> Vec<Finding> {
    let missing = units(layers, modules).into_iter().filter(|unit| layers.layer(unit).is_none());
    let finding = |unit: &str| Finding {
        file: RULES.to_owned(),
        line: start(tree, layers),
        problem: format!("the module `{unit}` of {} is in no layer", layers.path),
        advice: "Add it to the layer between its importers and its imports".to_owned(),
    };
    missing.map(finding).collect()
}

/// Layers and exceptions that name something that does not exist.
fn stale(tree: &Tree, layers: &Layers, modules: &Modules, imports: &[Import]) -> Vec<Finding> {
    let names: BTreeSet<&str> = modules.names().collect();
    let finding = |text: &str, problem: String| Finding {
        file: RULES.to_owned(),
        line: tree.line_of(RULES, text, start(tree, layers)),
        problem,
        advice: "Remove it from the rules".to_owned(),
    };
    if names.is_empty() {
        return vec![finding("path:", format!("the crate `{}` has no source files", layers.path))];
    }
    let absent = layers.listed().filter(|(_, unit)| !names.contains(unit));
    let mut findings: Vec<Finding> = absent
        .map(|(_, unit)| {
            finding(unit, format!("the layers of {} list `{unit}`, which does not exist", layers.path))
        })
        .collect();
    findings.extend(layers.unused(imports).map(|(from, to)| {
        finding(
            &format!("from: {from}, to: {to}"),
            format!("no import needs the exception `{from}` → `{to}`"),
        )
    }));
    findings
}

/// Imports that the layers do not allow; those of one line are one finding.
fn forbidden(layers: &Layers, imports: &[Import]) -> Vec<Finding> {
    let mut lines: BTreeMap<(&str, usize, &str, &str), Vec<String>> = BTreeMap::new();
    for import in imports.iter().filter(|import| !import.to.is_empty() && crosses(import)) {
        let (from, to) = (layers.unit(&import.from), layers.unit(&import.to));
        if !layers.allow(from, to) {
            let paths = lines.entry((&import.file, import.line, from, to)).or_default();
            paths.push(format!("`{}`", import.path));
        }
    }
    let finding = |((file, line, from, to), paths): ((&str, usize, &str, &str), Vec<String>)| {
        let same = layers.layer(from) == layers.layer(to);
        let relation = if same { "in the same layer" } else { "in a layer above" };
        Finding {
            file: file.to_owned(),
            line,
            problem: format!("`{from}` imports {} from `{to}`, {relation}", paths.join(", ")),
            advice: format!(
                "Move the shared item to a layer below both, or pass the value in; as a last resort \
                 add an exception with a reason to {RULES}"
            ),
        }
    };
    lines.into_iter().map(finding).collect()
}

fn top_graph<'a>(layers: &Layers, imports: &'a [Import]) -> Graph<'a> {
    let mut graph = Graph::default();
    for import in imports.iter().filter(|import| crosses(import)) {
        let (from, to) = (layers.unit(&import.from), layers.unit(&import.to));
        if from != to {
            graph.add(from, to, import);
        }
    }
    graph
}

fn cyclic(layers: &Layers, modules: &Modules, imports: &[Import]) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        top_graph(layers, imports).cycles().iter().map(|cycle| describe("the crate", cycle)).collect();
    let parents: BTreeSet<&str> = modules.names().map(parent).filter(|parent| !parent.is_empty()).collect();
    let mut levels: BTreeMap<&str, Graph<'_>> =
        parents.iter().map(|parent| (*parent, Graph::default())).collect();
    for import in imports.iter().filter(|import| crosses(import)) {
        for (parent, graph) in &mut levels {
            let child = |module: &str| {
                let rest = module.strip_prefix(*parent)?.strip_prefix("::")?;
                Some(rest.split("::").next().unwrap_or(rest).to_owned())
            };
            match (child(&import.from), child(&import.to)) {
                (Some(from), Some(to)) if from != to => graph.add(&from, &to, import),
                _ => {}
            }
        }
    }
    for (parent, graph) in &levels {
        findings.extend(graph.cycles().iter().map(|cycle| describe(&format!("`{parent}`"), cycle)));
    }
    findings
}

fn describe(level: &str, cycle: &Cycle<'_>) -> Finding {
    let steps: Vec<String> = cycle
        .path
        .iter()
        .map(|(node, import)| format!("{node} → ({}:{} {})", import.file, import.line, import.path))
        .collect();
    let first = cycle.path.first();
    let closing = first.map_or("", |(node, _)| node.as_str());
    let others = if cycle.group.len() > cycle.path.len() {
        format!("; modules that reach each other: {}", cycle.group.join(", "))
    } else {
        String::new()
    };
    Finding {
        file: first.map_or_else(String::new, |(_, import)| import.file.clone()),
        line: first.map_or(1, |(_, import)| import.line),
        problem: format!("import cycle in {level}: {} {closing}{others}", steps.join(" ")),
        advice: "Move the item that both need to a module of its own, or to the parent".to_owned(),
    }
}

#[cfg(test)]
mod tests;
