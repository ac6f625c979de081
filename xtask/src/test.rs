//! `cargo xtask test`: all tests, native, on Node and on real Envoys.
//!
//! Invariant: a group in which no test ran has failed.

use crate::module;
use crate::process;
use crate::progress::{done, remark, step};
use crate::tools::{envoy, prometheus, rust_targets, wasm_bindgen};
use crate::workspace;
use anyhow::{Context, bail};
use std::process::{Command, Stdio};

const NODE_TARGET: &str = "wasm32-unknown-unknown";

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only the whole-mesh tests whose name contains this.
    #[arg(value_name = "NAME")]
    mesh: Option<String>,
}

/// Runs the tests.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.mesh.is_none() {
        native()?;
        on_node()?;
    }
    whole_mesh(arguments.mesh.as_deref(), &[])?;
    done("all tests passed");
    Ok(())
}

fn native() -> anyhow::Result<()> {
    step("testing natively", || {
        let arguments = ["test", "--quiet", "--workspace", "--exclude", "hopscope-tests"];
        process::run(&mut workspace::cargo(arguments))
    })
}

/// Runs the filter's pure tests as wasm under Node. On another target `#[wasm_bindgen_test]` runs
/// nothing and succeeds, so the count of passed tests is checked.
fn on_node() -> anyhow::Result<()> {
    rust_targets::install(NODE_TARGET)?;
    let runner = wasm_bindgen::install()?;
    step("testing the filter as wasm on Node", || {
        // Without `--quiet`: cargo passes it on to the runner, which does not accept it.
        let arguments = ["test", "--package", "hopscope-filter", "--lib", "--target", NODE_TARGET];
        let mut command = workspace::cargo(arguments);
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
        let output = process::quietly(&mut command)?;
        match passed(&output) {
            0 => bail!("no test ran on Node:\n{output}"),
            count => remark(&format!("{count} passed on Node")),
        }
        Ok(())
    })
}

/// Returns the sum of `N passed` over all result lines.
fn passed(output: &str) -> u64 {
    let results = output.lines().filter_map(|line| line.trim().strip_prefix("test result: ok. "));
    results.filter_map(|result| result.split_once(" passed")?.0.parse::<u64>().ok()).sum()
}

/// Runs the whole-mesh tests, or those whose name contains `name`. `variables`: further variables of
/// their environment.
pub(crate) fn whole_mesh(name: Option<&str>, variables: &[(&str, String)]) -> anyhow::Result<()> {
    let newest = envoy::install(envoy::NEWEST)?;
    let oldest = envoy::install(envoy::OLDEST)?;
    let prometheus = prometheus::install()?;
    let module = module::build()?;
    let trapping = module::trap::build(&module)?;
    step("building the collector and the local mesh", || {
        let packages = ["build", "--quiet", "--package", "hopscope", "--package", "hopscope-mesh"];
        process::run(&mut workspace::cargo(packages))
    })?;
    step("testing the whole mesh on real Envoys", || {
        let mut command = workspace::cargo(["test", "--package", "hopscope-tests", "--no-fail-fast"]);
        command.env("HOPSCOPE_ENVOY", newest);
        command.env("HOPSCOPE_ENVOY_OLDEST", oldest);
        command.env("HOPSCOPE_MODULE", module);
        command.env("HOPSCOPE_MODULE_THAT_TRAPS", trapping);
        command.env("HOPSCOPE_COLLECTOR", workspace::binary("hopscope"));
        command.env("HOPSCOPE_MESH", workspace::binary("hopscope-mesh"));
        command.env("HOPSCOPE_PROMETHEUS", prometheus.server);
        command.env("HOPSCOPE_PROMTOOL", prometheus.promtool);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.args(["--", "--nocapture", "--test-threads", "1"]).args(name);
        counted(&mut command)
    })
}

/// Runs `cargo test`, shows its output as it comes, and fails if no test ran.
pub(crate) fn counted(command: &mut Command) -> anyhow::Result<()> {
    let mut lines = teed(command)?;
    lines.retain(|line| line.starts_with("test result:"));
    if passed(&lines.join("\n")) == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Runs a command, shows its standard output as it comes, and returns it as lines.
fn teed(command: &mut Command) -> anyhow::Result<Vec<String>> {
    use std::io::BufRead;
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("failed to start cargo")?;
    let output = child.stdout.take().context("failed to read from cargo")?;
    let mut lines = Vec::new();
    for line in std::io::BufReader::new(output).lines() {
        let line = line?;
        remark(&line);
        lines.push(line);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo test ended with {status}");
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn results_are_added_up() {
        assert_eq!(
            passed("x\ntest result: ok. 3 passed; 0 failed\n  test result: ok. 4 passed; 0 failed"),
            7
        );
        assert_eq!(passed("test result: FAILED. 3 passed; 1 failed"), 0);
        assert_eq!(passed("running 0 tests"), 0);
    }
}
