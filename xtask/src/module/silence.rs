//! A module that traps without a word.
//!
//! In: a linked module, with the names of its functions. Out: the same, in which what only a panic reaches does nothing but
//! trap. Always holds: what traps afterwards would have trapped before, after writing a line.
//!
//! The filter is built to abort when it panics, and by its lints it does not. What prints a panic (formatting of anything,
//! the environment, standard error) is a tenth of the code, V8 compiles it in each proxy, and the standard library comes
//! compiled with it. Envoy logs a trap by itself.

use walrus::{FunctionBuilder, FunctionId, FunctionKind, Module};

/// What only panics run, by path. A function counts when its name has the path in it, be it a method or a closure there, or
/// one made for a type from there. `Debug` is among them since the filter's lints keep it out of everything else.
const PANICS: [&str; 13] = [
    "core::panicking",
    "core::str::slice_error_fail",
    "core::str::slice_error_fail_rt",
    "core::slice::index::slice_index_fail",
    "core::option::unwrap_failed",
    "core::option::expect_failed",
    "core::result::unwrap_failed",
    "core::fmt::builders",
    "Debug::fmt",
    "std::panicking",
    "panicking::default_hook",
    "std::sys::backtrace",
    "std::io::default_write_fmt",
];

/// Silences all that is there, and returns how many functions these were.
pub(super) fn panics(module: &mut Module) -> usize {
    let marks: Vec<String> = PANICS.iter().map(|path| mangled(path)).collect();
    let silenced: Vec<FunctionId> = module
        .funcs
        .iter_local()
        .map(|(id, _)| id)
        .filter(|id| {
            let name = module.funcs.get(*id).name.as_deref().unwrap_or_default();
            marks.iter().any(|mark| name.contains(mark))
        })
        .collect();
    for id in &silenced {
        let ty = module.types.get(module.funcs.get(*id).ty());
        let (parameters, results) = (ty.params().to_vec(), ty.results().to_vec());
        let arguments = parameters.iter().map(|ty| module.locals.add(*ty)).collect();
        let mut builder = FunctionBuilder::new(&mut module.types, &parameters, &results);
        builder.func_body().unreachable();
        module.funcs.get_mut(*id).kind = FunctionKind::Local(builder.local_func(arguments));
    }
    silenced.len()
}

/// A path as both of rustc's manglings spell it within a name: each part behind its length.
fn mangled(path: &str) -> String {
    path.split("::").map(|part| format!("{}{part}", part.len())).collect()
}
