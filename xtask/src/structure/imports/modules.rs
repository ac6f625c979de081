//! The modules of one crate, and the imports among them.
//!
//! In: the files of the crate.
//! Out: for each path that leads to another module, one import. Names that a module re-exports are
//! followed to the module that defines them.

use super::source::{self, Reference, Source};
use crate::structure::rust;
use crate::structure::tree::Tree;
use anyhow::Context;
use std::collections::BTreeMap;

/// Re-exports of re-exports are followed so far; cyclic ones end here.
const DEPTH: usize = 8;

/// A path in one module that leads to another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    /// The importing module, `ledger::dedup`.
    pub(crate) from: String,
    /// The imported module; empty for the root of the crate.
    pub(crate) to: String,
    /// The file of the importing module.
    pub(crate) file: String,
    /// The line of the path, from 1.
    pub(crate) line: usize,
    /// The path as it is written.
    pub(crate) path: String,
}

struct Module {
    file: String,
    source: Source,
}

/// The modules of one crate by name; the root's name is empty.
pub(crate) struct Modules {
    name: String,
    modules: BTreeMap<String, Module>,
}

impl Modules {
    /// Reads the files below `src` of a crate.
    pub(crate) fn read(tree: &Tree, folder: &str, name: &str) -> anyhow::Result<Self> {
        let prefix = format!("{folder}/src/");
        let mut modules = BTreeMap::new();
        for (path, text) in tree.files() {
            let Some(inner) = path.strip_prefix(&prefix).and_then(|inner| inner.strip_suffix(".rs")) else {
                continue;
            };
            if !rust::is_test_path(path) {
                let source = source::read(text).with_context(|| format!("failed to parse {path}"))?;
                modules.insert(module_name(inner), Module { file: path.to_owned(), source });
            }
        }
        let mut all = Self { name: name.to_owned(), modules };
        all.remove_tests();
        Ok(all)
    }

    /// The names of all modules.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }

    /// All imports, sorted.
    pub(crate) fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (from, module) in &self.modules {
            for reference in &module.source.references {
                if let Some(to) = self.target(from, reference).filter(|to| to != from) {
                    let (file, path) = (module.file.clone(), reference.segments.join("::"));
                    imports.push(Import { from: from.clone(), to, file, line: reference.line, path });
                }
            }
        }
        imports.sort();
        imports.dedup();
        imports
    }

    fn remove_tests(&mut self) {
        let declared = |(name, module): (&String, &Module)| {
            module.source.test_modules.iter().map(|child| join(name, child)).collect::<Vec<_>>()
        };
        let tests: Vec<String> = self.modules.iter().flat_map(declared).collect();
        self.modules.retain(|name, _| !tests.iter().any(|test| is_ancestor(test, name) || test == name));
    }

    /// The module that a path leads to; none for other crates and for names of the same file.
    fn target(&self, from: &str, reference: &Reference) -> Option<String> {
        let inline = reference.inline.iter().fold(from.to_owned(), |name, part| join(&name, part));
        self.resolve(&inline, &reference.segments, DEPTH)
    }

    /// Follows the segments of a path that is written in a module, inline ones included.
    fn resolve(&self, from: &str, segments: &[String], depth: usize) -> Option<String> {
        let (first, mut rest) = segments.split_first()?;
        let mut start = match first.as_str() {
            "crate" => String::new(),
            "self" => from.to_owned(),
            "super" => parent(from).to_owned(),
            name if name == self.name => String::new(),
            child => self.child(from, child)?,
        };
        while let Some((_, after)) = rest.split_first().filter(|(first, _)| *first == "super") {
            start = parent(&start).to_owned();
            rest = after;
        }
        self.descend(start, rest, depth)
    }

    fn descend(&self, mut module: String, segments: &[String], depth: usize) -> Option<String> {
        for (index, segment) in segments.iter().enumerate() {
            if let Some(child) = self.child(&module, segment) {
                module = child;
                continue;
            }
            let rest = segments.get(index + 1..).unwrap_or_default();
            let definition = self.definition(&module, segment, rest, depth);
            return definition.or_else(|| Some(self.innermost_file(&module)));
        }
        Some(self.innermost_file(&module))
    }

    /// The module behind a name that a `use` item or an exported macro brings into a module.
    fn definition(&self, module: &str, name: &str, rest: &[String], depth: usize) -> Option<String> {
        let aliases = self.modules.get(module).map_or(&[][..], |module| &module.source.aliases);
        if let Some(alias) = aliases.iter().find(|alias| alias.name == name).filter(|_| depth > 0) {
            return self.resolve(module, &[&alias.segments, rest].concat(), depth - 1);
        }
        let exports = |module: &&Module| module.source.exported_macros.iter().any(|export| export == name);
        let (defining, _) = self.modules.iter().filter(|_| module.is_empty()).find(|(_, m)| exports(m))?;
        Some(defining.clone())
    }

    fn child(&self, module: &str, name: &str) -> Option<String> {
        let child = join(module, name);
        self.modules.contains_key(&child).then_some(child)
    }

    /// The module whose file holds an inline module.
    fn innermost_file(&self, module: &str) -> String {
        let mut name = module;
        while !name.is_empty() && !self.modules.contains_key(name) {
            name = parent(name);
        }
        name.to_owned()
    }
}

/// `a/b` as `a::b`; `a/mod` as `a`; `lib` as the root.
fn module_name(path: &str) -> String {
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { String::new() } else { path.replace('/', "::") }
}

/// The module around a module.
pub(crate) fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

/// Whether a module lies inside another one.
pub(crate) fn is_ancestor(outer: &str, inner: &str) -> bool {
    let rest = inner.strip_prefix(outer);
    (outer.is_empty() && !inner.is_empty()) || rest.is_some_and(|rest| rest.starts_with("::"))
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<_> = files.iter().map(|(path, text)| (format!("c/src/{path}"), *text)).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let modules = Modules::read(&Tree::of(&files, &[]), "c", "c").unwrap();
        let shown: Vec<String> = modules
            .imports()
            .iter()
            .map(|import| format!("{} -> {} ({})", import.from, import.to, import.path))
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn paths_lead_to_the_innermost_module() {
        check(
            &[
                ("lib.rs", ""),
                ("a.rs", "use crate::b::c::D; use std::e;"),
                ("b.rs", ""),
                ("b/c.rs", "use super::F;"),
            ],
            &["a -> b::c (crate::b::c::D)", "b::c -> b (super::F)"],
        );
    }

    #[test]
    fn re_exported_names_lead_to_their_definition() {
        check(
            &[
                ("lib.rs", "pub use a::b::C;"),
                ("a/mod.rs", "pub use self::b::C;"),
                ("a/b.rs", ""),
                ("d.rs", "use crate::C; use crate::a::C as E;"),
            ],
            &[
                " -> a::b (a::b::C)",
                "a -> a::b (self::b::C)",
                "d -> a::b (crate::C)",
                "d -> a::b (crate::a::C)",
            ],
        );
    }

    #[test]
    fn exported_macros_lead_to_their_module() {
        check(
            &[("a.rs", "#[macro_export] macro_rules! keep { () => {} }"), ("b.rs", "crate::keep!();")],
            &["b -> a (crate::keep)"],
        );
    }

    #[test]
    fn inline_modules_belong_to_their_file() {
        check(
            &[
                ("a.rs", "mod x { use super::super::b::C; use super::y; } pub(crate) fn y() {}"),
                ("b.rs", "fn f() { crate::a::x::z(); }"),
            ],
            &["a -> b (super::super::b::C)", "b -> a (crate::a::x::z)"],
        );
    }

    #[test]
    fn the_program_imports_the_library_by_name() {
        check(&[("main.rs", "use c::cli::Run;"), ("cli.rs", "")], &["main -> cli (c::cli::Run)"]);
    }

    #[test]
    fn modules_of_tests_are_left_out() {
        check(
            &[
                ("lib.rs", "#[cfg(test)] mod example;"),
                ("example.rs", "use crate::a::B;"),
                ("a/tests.rs", "use crate::c::D;"),
                ("a.rs", ""),
                ("c.rs", ""),
            ],
            &[],
        );
    }
}
