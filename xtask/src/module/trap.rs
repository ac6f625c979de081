//! A faulty module for tests: its VMs trap on purpose.
//!
//! In: the module as proxies load it.
//! Out: `target/hopscope_filter_traps.wasm`, in which each VM traps at the [`ENDS`]th end of a
//! request.
//! Invariant: the fault is added to the finished module, so that the product has no code to fail
//! by.

use anyhow::Context;
use std::path::{Path, PathBuf};
use walrus::ir::{BinaryOp, UnaryOp, Value};
use walrus::{ConstExpr, Module, ValType};

/// The number of request ends before a VM traps.
const ENDS: i32 = 200;

/// The callback at the end of a request.
const ENTRY: &str = "proxy_on_log";

/// Writes the faulty module beside the sound one.
pub(crate) fn build(sound: &Path) -> anyhow::Result<PathBuf> {
    let mut module = Module::from_file(sound)?;
    let left = module.globals.add_local(ValType::I32, true, false, ConstExpr::Value(Value::I32(ENDS)));
    let export = module.exports.iter().find(|export| export.name == ENTRY);
    let walrus::ExportItem::Function(entry) =
        export.with_context(|| format!("no `{ENTRY}` is exported"))?.item
    else {
        anyhow::bail!("`{ENTRY}` is not a function");
    };
    let walrus::FunctionKind::Local(entry) = &mut module.funcs.get_mut(entry).kind else {
        anyhow::bail!("`{ENTRY}` is imported");
    };
    let builder = entry.builder_mut();
    let mut body = builder.func_body();
    body.global_get_at(0, left)
        .unop_at(1, UnaryOp::I32Eqz)
        .if_else_at(
            2,
            None,
            |dead| {
                dead.unreachable();
            },
            |_| {},
        )
        .global_get_at(3, left)
        .const_at(4, Value::I32(1))
        .binop_at(5, BinaryOp::I32Sub)
        .global_set_at(6, left);
    let path = sound.with_file_name("hopscope_filter_traps.wasm");
    std::fs::write(&path, module.emit_wasm())?;
    Ok(path)
}
