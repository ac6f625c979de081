//! Instructions per request, counted by callgrind.
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
use crate::callgrind::Callgrind;
use anyhow::ensure;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Requests before each count, on a connection of their own, so that the count has no first-use
/// cost.
const LEAD_IN_REQUESTS: u64 = 100;

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
    let mut callgrind = Callgrind::of(proxy.process_id(), &profiles(&proxy.folder()));
    for _ in 0..effort.counts {
        for (arm, counts) in Arm::ALL.into_iter().zip(&mut counts) {
            let listener = proxy.listener(arm).await?;
            load::send(listener, LEAD_IN_REQUESTS).await?;
            callgrind.reset()?;
            load::send(listener, effort.counted_requests).await?;
            let total = callgrind.total().await?;
            counts.push(total as f64 / effort.counted_requests as f64);
        }
    }
    ensure!(effort.counts > 0, "nothing was counted");
    Ok(counts)
}

fn under_callgrind(envoy: &Path, folder: &Path) -> Command {
    let mut command = crate::callgrind::command(&profiles(folder));
    // V8 writes code while it runs.
    command.arg("--smc-check=all-non-file");
    command.arg(envoy);
    command
}

fn profiles(folder: &Path) -> PathBuf {
    folder.join("callgrind")
}
