//! `cargo xtask demo | test | check | structure | bench | soak | package | istio`: the tasks of this
//! repository. Each installs its tools below `target/tools`.
//!
//! In: a fresh clone on a machine with Rust (by rustup), Python 3 and, for the tests, Node.
//! Out: an exit code; answers for machines on standard output, progress on standard error.
//! Invariant: nothing is installed outside the target folder, except Rust's own wasm targets; every
//! tool has a pinned version.

mod progress;
mod process;
mod workspace;
mod tools;
mod module;
mod demo;
mod test;
mod check;
mod structure;
mod bench;
mod soak;
mod package;
mod istio;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The tasks of this repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start the local mesh (real Envoys, the filter, the collector), inject ten faults, and show
    /// the reported edges.
    Demo(demo::Arguments),
    /// Run every test: native, the filter's under wasm-bindgen on Node, and the whole mesh on real
    /// Envoys.
    Test(test::Arguments),
    /// Run all static checks: format, structure, lints, licences, docs, YAML, Envoy configurations.
    Check,
    /// Check the structure: the module map, imports between modules, words, file sizes. A part of
    /// `check`.
    Structure(structure::Arguments),
    /// Measure the cost of the filter or of the collector.
    Bench(bench::Arguments),
    /// Attack a collector for minutes, and report what a good client notices.
    Soak(soak::Arguments),
    /// Build the filter and print the path of the module that Envoy loads.
    Module,
    /// Build the filter's OCI image in the two forms that Istio pulls, and print its digests.
    Package,
    /// Run the filter in a real Istio on this machine: control plane, injected sidecars, mTLS.
    /// Needs root and Go.
    Istio(istio::Arguments),
}

fn main() -> ExitCode {
    if let Some(linked) = module::link::run_if_linker() {
        return linked;
    }
    let result = match Arguments::parse().task {
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Check => check::run(),
        Task::Structure(arguments) => structure::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Soak(arguments) => soak::run(&arguments),
        Task::Package => package::run(),
        Task::Istio(arguments) => istio::run(&arguments),
        Task::Module => module::build().map(|path| progress::answer(&path.display().to_string())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::failed(&error);
            ExitCode::FAILURE
        }
    }
}
