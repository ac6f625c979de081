//! A process as the kernel sees it.
//!
//! In: its id. Out: processor time and memory so far. Always holds: both are of the whole process, all threads.

use anyhow::Context;

/// Processor time of all threads so far, seconds.
pub(crate) fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name before the last parenthesis may hold spaces.
    let rest = stat.rsplit_once(')').context("/proc/PID/stat has no name")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
    let (user, system) = (ticks(11).context("no utime")?, ticks(12).context("no stime")?);
    // Linux counts these in hundredths of a second on every platform of today.
    Ok((user + system) as f64 / 100.0)
}

/// Resident memory, bytes.
pub(crate) fn memory_bytes(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}
