//! Removal of panic messages from a module.
//!
//! In: a linked module, with the names of its functions.
//! Out: the module in which functions that only a panic reaches trap at once.
//! Invariant: a call that traps afterwards would have trapped before, after writing a line.
//!
//! The filter aborts on a panic, and its lints exclude panics. The code that prints one
//! (formatting, the environment, standard error) is a tenth of the module, V8 compiles it in each
//! proxy, and the standard library comes compiled with it. Envoy logs a trap by itself.

use anyhow::bail;
use std::collections::HashSet;
use walrus::ir::{Call, Visitor, dfs_in_order};
use walrus::{Function, FunctionBuilder, FunctionId, FunctionKind, Module};

/// Paths of functions that only panics reach. A function matches when its name contains the path: a
/// method or a closure there, or a function made for a type from there.
const PANICS: [&str; 12] = [
    "core::panicking",
    "core::str::slice_error_fail",
    "core::str::slice_error_fail_rt",
    "core::slice::index::slice_index_fail",
    "core::option::unwrap_failed",
    "core::option::expect_failed",
    "core::result::unwrap_failed",
    "std::panicking",
    "panicking::default_hook",
    "std::sys::backtrace",
    "std::io",
    "std::sys::stdio",
];

/// Paths of formatting code. The filter's lints exclude it from all other functions.
const FORMATTING: [&str; 6] =
    ["core::fmt", "alloc::fmt", "core::str::count", "fmt::Write", "Display::fmt", "Debug::fmt"];

/// Replaces all functions that print a panic by traps.
///
/// # Errors
/// Fails when no function has these names, and when a function that no panic reaches formats text:
/// that function would trap.
pub(super) fn panics(module: &mut Module) -> anyhow::Result<()> {
    let panics = named(module, &PANICS);
    let formatting = named(module, &FORMATTING);
    if panics.is_empty() || formatting.is_empty() {
        bail!("no function that prints a panic was found by its name; does rustc use other names?");
    }
    let silenced: HashSet<FunctionId> = panics.union(&formatting).copied().collect();
    for (id, function) in module.funcs.iter_local().filter(|(id, _)| !silenced.contains(id)) {
        let mut calls = Calls::default();
        dfs_in_order(&mut calls, function, function.entry_block());
        if let Some(formats) = calls.0.iter().find(|callee| formatting.contains(callee)) {
            let name = |id: FunctionId| module.funcs.get(id).name.clone().unwrap_or_default();
            bail!("`{}` formats by `{}`, which the module excludes; use `line!`", name(id), name(*formats));
        }
    }
    silenced.into_iter().for_each(|id| silence(module, id));
    Ok(())
}

#[derive(Default)]
struct Calls(Vec<FunctionId>);

impl Visitor<'_> for Calls {
    fn visit_call(&mut self, call: &Call) {
        self.0.push(call.func);
    }
}

fn named(module: &Module, paths: &[&str]) -> HashSet<FunctionId> {
    let marks: Vec<String> = paths.iter().map(|path| mangled(path)).collect();
    let is_one = |function: &Function| {
        let name = function.name.as_deref().unwrap_or_default();
        marks.iter().any(|mark| name.contains(mark))
    };
    let locals = module.funcs.iter_local().map(|(id, _)| id);
    locals.filter(|id| is_one(module.funcs.get(*id))).collect()
}

fn silence(module: &mut Module, id: FunctionId) {
    let ty = module.types.get(module.funcs.get(id).ty());
    let (parameters, results) = (ty.params().to_vec(), ty.results().to_vec());
    let arguments = parameters.iter().map(|ty| module.locals.add(*ty)).collect();
    let mut builder = FunctionBuilder::new(&mut module.types, &parameters, &results);
    builder.func_body().unreachable();
    module.funcs.get_mut(id).kind = FunctionKind::Local(builder.local_func(arguments));
}

/// Returns a path as both of rustc's manglings spell it within a name: each part after its length.
fn mangled(path: &str) -> String {
    path.split("::").map(|part| format!("{}{part}", part.len())).collect()
}
