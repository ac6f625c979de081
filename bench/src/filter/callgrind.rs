//! Instructions per request, counted by valgrind's callgrind.
//!
//! In: an Envoy with all arms as listeners. Out: instructions per request and arm, one figure per
//! repeat.
//! Invariant: the counter is reset after the warm-up, in which V8 compiles hot code, and read right
//! after the requests; instructions of the kernel do not count. The counts do not depend on the
//! machine's speed.

use super::arm::Arm;
use super::bootstrap::Environment;
use super::figures::Effort;
use super::load;
use super::proxy::Proxy;
use anyhow::{Context, bail, ensure};
use hopscope_mesh::eventually::eventually;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest wait for a profile; writing one takes about a second.
const DUMPED_WITHIN: Duration = Duration::from_secs(60);

/// Requests before each count, on a connection of their own, so that the count has no first-use
/// cost.
const LEAD_IN_REQUESTS: u64 = 100;

/// Fails with an instruction to install valgrind where it is missing.
pub(crate) fn available() -> anyhow::Result<()> {
    for tool in ["valgrind", "callgrind_control"] {
        let found = Command::new(tool).arg("--version").stdin(Stdio::null()).output();
        found.with_context(|| {
            format!(
                "failed to run {tool}; install valgrind (`apt-get install valgrind`, `dnf install valgrind`)"
            )
        })?;
    }
    Ok(())
}

/// Counts instructions; returns the counts of each repeat in the order of [`Arm::ALL`].
pub(crate) async fn count(
    envoy: &Path,
    environment: Environment<'_>,
    effort: Effort,
) -> anyhow::Result<Vec<Vec<f64>>> {
    let proxy = Proxy::start(envoy, &Arm::ALL, environment, under_callgrind).await?;
    let mut counts = vec![Vec::new(); Arm::ALL.len()];
    for arm in Arm::ALL {
        load::send(proxy.listener(arm).await?, effort.warm_up_requests).await?;
    }
    let mut dump = 0;
    for _ in 0..effort.counts {
        for (arm, counts) in Arm::ALL.into_iter().zip(&mut counts) {
            let listener = proxy.listener(arm).await?;
            load::send(listener, LEAD_IN_REQUESTS).await?;
            control(&proxy, "--zero")?;
            load::send(listener, effort.counted_requests).await?;
            control(&proxy, "--dump")?;
            dump += 1;
            let path = proxy.folder().join(format!("callgrind.{dump}"));
            let total = eventually("a profile", DUMPED_WITHIN, async || total_in(&path)).await?;
            std::fs::remove_file(&path)?;
            counts.push(total as f64 / effort.counted_requests as f64);
        }
    }
    ensure!(dump > 0, "nothing was counted");
    Ok(counts)
}

fn under_callgrind(envoy: &Path, folder: &Path) -> Command {
    let mut command = Command::new("valgrind");
    let file = folder.join("callgrind");
    command.args(["--quiet", "--tool=callgrind", "--smc-check=all-non-file"]);
    command.arg(format!("--callgrind-out-file={}", file.display())).arg(envoy);
    command
}

fn control(proxy: &Proxy, option: &str) -> anyhow::Result<()> {
    let mut command = Command::new("callgrind_control");
    let command = command.arg(option).arg(proxy.process_id().to_string()).stdin(Stdio::null());
    let output = command.output().context("failed to run callgrind_control")?;
    if !output.status.success() {
        bail!("callgrind_control {option}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Total count of a profile; none while the profile is incomplete.
fn total_in(path: &Path) -> Option<u64> {
    let text = String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned();
    let total = text.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    total.split_whitespace().next()?.parse().ok()
}
