//! `cargo xtask demo | test | check | bench | package | istio`: one command each, that installs what it needs below
//! `target/tools`.
//!
//! In: a fresh clone on a machine with Rust (by rustup), Python 3 and, for the tests, Node. Out: a running demo, a
//! verdict, an exit code. Always holds: nothing is installed outside the target folder but Rust's own wasm targets;
//! every tool has a pinned version; progress goes to standard error.

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
    /// Start the local mesh (real Envoys, the filter, the collector), break it in ten ways, and show what is told.
    Demo(demo::Arguments),
    /// Run every test: native, the filter's under wasm-bindgen on Node, and the whole mesh on real Envoys.
    Test(test::Arguments),
    /// Check what needs no run: format, structure, lints, licences, docs, every YAML, every Envoy configuration.
    Check,
    /// Check the structure: the module map, imports between modules, words, file sizes. One part of `check`.
    Structure(structure::Arguments),
    /// Measure what the filter or the collector costs.
    Bench(bench::Arguments),
    /// Build the filter and print the path of the module that Envoy loads.
    Module,
    /// Make the filter's OCI image in the two forms that Istio pulls, and print its digests.
    Package,
    /// The filter loaded by a real Istio: control plane, injected sidecars, mTLS, on this machine. Needs root and Go.
    Istio(istio::Arguments),
}

fn main() -> ExitCode {
    if let Some(linked) = module::link::instead() {
        return linked;
    }
    let result = match Arguments::parse().task {
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Check => check::run(),
        Task::Structure(arguments) => structure::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
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
