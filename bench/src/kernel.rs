//! Cost of a process by the kernel's accounts.
//!
//! In: a process id. Out: processor time and memory.
//! Invariant: both are of the whole process, all its threads.

use anyhow::Context;

/// Processor time of all threads so far, seconds.
pub(crate) fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name before the last parenthesis may hold spaces.
    let rest = stat.rsplit_once(')').context("/proc/PID/stat has no name")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let (user, system) = (ticks(11).context("no utime")?, ticks(12).context("no stime")?);
    // Linux counts both in hundredths of a second on every current platform.
    Ok((user + system) as f64 / 100.0)
}

/// Resident memory, bytes.
pub(crate) fn memory_bytes(process: u32) -> anyhow::Result<u64> {
    status_bytes(process, "VmRSS:")
}

/// Most resident memory so far, bytes.
pub(crate) fn memory_peak_bytes(process: u32) -> anyhow::Result<u64> {
    status_bytes(process, "VmHWM:")
}

fn status_bytes(process: u32, field: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let line = line.with_context(|| format!("/proc/PID/status has no {field}"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}
