//! Instructions per record, counted by callgrind.
//!
//! In: a run and a binary. Out: a [`Row`]. Invariant: the counter is reset after the warm-up, and
//! each repeat has the same number of records.

use super::prepared::Prepared;
use super::row::Row;
use super::run::Run;
use crate::callgrind::Callgrind;
use std::path::Path;

/// Counts of one run. The figure is their median, since ticks fall into some counts only.
const COUNTS: usize = 5;

/// Measures one run.
pub(crate) async fn measure(run: &Run, binary: &Path) -> anyhow::Result<Row> {
    crate::callgrind::available()?;
    let mut prepared = Prepared::start_counted(run, binary).await?;
    let mut callgrind = Callgrind::of(prepared.collector.process_id(), &prepared.profiles());
    let Prepared { load, round, .. } = &mut prepared;
    let (mut counts, mut records) = (Vec::new(), 0);
    for _ in 0..COUNTS {
        callgrind.reset()?;
        let sources = load.half(round, true).await?;
        let destinations = load.half(round, false).await?;
        let sent = sources.records + destinations.records;
        counts.push(callgrind.total().await? as f64 / sent as f64);
        records += sent;
    }
    prepared.check_counts(records).await?;
    counts.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| counts.get(index).copied().unwrap_or(f64::NAN);
    Ok(Row::new(run.name)
        .with("instructions_per_record", at(COUNTS / 2))
        .with("instructions_per_record_min", at(0))
        .with("instructions_per_record_max", at(COUNTS - 1))
        .with("records", records as f64)
        .with("edges", prepared.edges as f64))
}
