//! The parts of the mesh.
//!
//! In: the environment. Out: paths, and meshes made of them. Always holds: a missing part is named, with the command that
//! provides it.

use hopscope_mesh::mesh::{Mesh, MeshOptions};
use std::path::PathBuf;
use std::time::Duration;

/// The longest wait for the books to balance: some reports, and a busy machine.
pub(crate) const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// The path in an environment variable.
pub(crate) fn path(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable);
    value.map_or_else(|| panic_without(variable), PathBuf::from)
}

#[expect(clippy::panic, reason = "a test without its parts has failed")]
fn panic_without(variable: &str) -> PathBuf {
    panic!("{variable} is not set; run these tests with `cargo xtask test`")
}

/// A mesh in which every proxy reports.
pub(crate) fn observed() -> MeshOptions {
    MeshOptions::observed(path("HOPSCOPE_ENVOY"), path("HOPSCOPE_MODULE"), path("HOPSCOPE_COLLECTOR"))
}

/// Starts it.
pub(crate) async fn start(options: MeshOptions) -> Mesh {
    Mesh::start(options).await.expect("the mesh starts")
}
