use super::*;

const CRATE: &str = "crates: [{path: c, name: c, layers: [a, 'b, d', e]}]";

fn report(rules: &str, files: &[(&str, &str)]) -> (Tree, Rules) {
    let files: Vec<_> = files.iter().map(|(path, text)| (format!("c/src/{path}"), *text)).collect();
    let mut files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    files.push((RULES, rules));
    (Tree::of(&files, &[]), serde_saphyr::from_str(rules).unwrap())
}

/// The modules `a`, `b`, `d` and `e` are there, empty where they are not given.
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let mut all = vec![("lib.rs", "mod a; mod b; mod d; mod e;")];
    all.extend(files);
    for name in ["a.rs", "b.rs", "d.rs", "e.rs"] {
        if !files.iter().any(|(path, _)| *path == name) {
            all.push((name, ""));
        }
    }
    let (tree, rules) = report(CRATE, &all);
    let mut report = super::check(&tree, &rules).unwrap();
    report.sort();
    let lines: Vec<String> =
        report.findings.iter().map(|f| format!("{}:{}: {}", f.file, f.line, f.problem)).collect();
    assert_eq!(lines, expected);
}

#[test]
fn downward_imports_are_allowed() {
    check(&[("a.rs", "use crate::b::C;"), ("b.rs", "use super::e::F;")], &[]);
}

#[test]
fn an_upward_import_is_a_finding() {
    check(
        &[("e.rs", "\nuse crate::a::C;")],
        &["c/src/e.rs:2: `e` imports `crate::a::C` from `a`, in a layer above"],
    );
}

#[test]
fn the_imports_of_one_line_are_one_finding() {
    check(
        &[("e.rs", "use crate::a::{C, F};")],
        &["c/src/e.rs:1: `e` imports `crate::a::C`, `crate::a::F` from `a`, in a layer above"],
    );
}

#[test]
fn an_import_within_a_layer_is_a_finding() {
    check(
        &[("b.rs", "fn f() -> crate::d::C {}")],
        &["c/src/b.rs:1: `b` imports `crate::d::C` from `d`, in the same layer"],
    );
}

#[test]
fn an_upward_import_inside_a_macro_is_a_finding() {
    check(
        &[("e.rs", "keep!(X { y: crate::a::C });")],
        &["c/src/e.rs:1: `e` imports `crate::a::C` from `a`, in a layer above"],
    );
}

#[test]
fn two_siblings_that_import_each_other_are_a_cycle() {
    check(
        &[("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use crate::a::x::X;")],
        &["c/src/a/x.rs:1: import cycle in `a`: x → (c/src/a/x.rs:1 super::y::Y) \
           y → (c/src/a/y.rs:1 crate::a::x::X) x"],
    );
}

#[test]
fn a_parent_and_its_children_are_no_cycle() {
    check(
        &[("a.rs", "pub use x::X; use y::Y;"), ("a/x.rs", "use super::Z;"), ("a/y.rs", "use super::x::X;")],
        &[],
    );
}

#[test]
fn a_cycle_through_the_names_of_the_parent_is_a_cycle() {
    check(
        &[("a.rs", "pub use x::X;"), ("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use super::X;")],
        &[
            "c/src/a/x.rs:1: import cycle in `a`: x → (c/src/a/x.rs:1 super::y::Y) y → (c/src/a/y.rs:1 super::X) x",
        ],
    );
}

#[test]
fn a_cycle_of_top_level_modules_is_a_finding_of_its_own() {
    check(
        &[("a.rs", "use crate::e::F;"), ("e/g.rs", "use crate::a::C;")],
        &[
            "c/src/a.rs:1: import cycle in the crate: a → (c/src/a.rs:1 crate::e::F) \
             e → (c/src/e/g.rs:1 crate::a::C) a",
            "c/src/e/g.rs:1: `e` imports `crate::a::C` from `a`, in a layer above",
        ],
    );
}

#[test]
fn a_module_in_no_layer_is_a_finding() {
    check(&[("f.rs", "")], &["xtask/structure/imports.yaml:1: the module `f` of c is in no layer"]);
}

#[test]
fn rules_about_nothing_are_findings() {
    let rules = "crates: [{path: c, name: c, layers: [a, b], exceptions: [{from: b, to: a, reason: none}]}]";
    let (tree, rules) = report(rules, &[("a.rs", "")]);
    let report = super::check(&tree, &rules).unwrap();
    let problems: Vec<&str> = report.findings.iter().map(|f| f.problem.as_str()).collect();
    assert_eq!(
        problems,
        ["the layers of c list `b`, which does not exist", "no import needs the exception `b` → `a`"]
    );
}

#[test]
fn a_pending_crate_has_warnings_only() {
    let rules = "crates: [{path: c, name: c, layers: [a], pending: true}]";
    let (tree, rules) = report(rules, &[("a.rs", ""), ("b.rs", "")]);
    let report = super::check(&tree, &rules).unwrap();
    assert!(report.findings.is_empty());
    assert_eq!(report.warnings(), ["pending: c: 1 findings do not count (see `--pending`)"]);
}

#[test]
fn the_graph_has_one_line_for_each_module() {
    let (tree, rules) =
        report(CRATE, &[("a.rs", "use crate::{b, e};"), ("e.rs", "use crate::a::C;"), ("b.rs", "")]);
    let graph = graph(&tree, &rules, true).unwrap();
    let lines: Vec<&str> = graph.lines().collect();
    let expected = [
        "c (3 modules, 3 imports)",
        "   1 a → b e",
        "   2 b → ",
        "   3 e → !a",
        "     c/src/a.rs → b e",
        "     c/src/e.rs → a",
    ];
    assert_eq!(lines[..6], expected);
}
