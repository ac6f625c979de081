//! Programs of the mesh.
//!
//! In: environment variables. Out: paths, and meshes of these programs.
//! Invariant: the error for a missing variable names the variable and the command that sets it.

use hopscope_mesh::mesh::{Mesh, MeshOptions};
use std::path::PathBuf;
use std::time::Duration;

/// Longest wait for a balanced ledger: some reports on a busy machine.
pub(crate) const BALANCED_WITHIN: Duration = Duration::from_secs(60);

/// Returns the path in an environment variable.
pub(crate) fn path(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable);
    value.map_or_else(|| panic_without(variable), PathBuf::from)
}

#[expect(clippy::panic, reason = "a test without its programs fails")]
fn panic_without(variable: &str) -> PathBuf {
    panic!("{variable} is not set; run these tests with `cargo xtask test`")
}

/// A mesh in which every proxy reports.
pub(crate) fn observed() -> MeshOptions {
    MeshOptions::observed(path("HOPSCOPE_ENVOY"), path("HOPSCOPE_MODULE"), path("HOPSCOPE_COLLECTOR"))
}

/// Starts a mesh.
pub(crate) async fn start(options: MeshOptions) -> Mesh {
    Mesh::start(options).await.expect("the mesh starts")
}
