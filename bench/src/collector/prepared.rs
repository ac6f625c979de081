//! A collector that has received every edge and one whole round.
//!
//! In: a run and a binary. Out: the running collector, the load, figures of the memory.
//! Invariant: the warm-up is not part of a measurement; its records are counted, so that all
//! records can be compared with the collector's count.

use super::load::Load;
use super::mesh::Mesh;
use super::names::{DATA_DIR, DELIVERED, JOIN, Names, PENDING_BYTES, PENDING_RECORDS};
use super::process::Collector;
use super::run::Run;
use super::template::Round;
use crate::callgrind;
use anyhow::ensure;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Connections to the collector.
const CONNECTIONS: usize = 16;

/// A collector after its warm-up.
pub(crate) struct Prepared {
    pub(crate) collector: Collector,
    pub(crate) load: Load,
    /// The round to send.
    pub(crate) round: Round,
    pub(crate) edges: u64,
    /// Growth of the process by all edges, without the table of pending records.
    pub(crate) edges_bytes: u64,
    /// Records that the join held between both halves of the round.
    pub(crate) pending_records: u64,
    /// Memory of their table.
    pub(crate) pending_bytes: u64,
    records: u64,
    folder: tempfile::TempDir,
}

impl Prepared {
    /// Starts a collector and sends it every edge once and one round.
    pub(crate) async fn start(run: &Run, binary: &Path) -> anyhow::Result<Self> {
        Self::start_as(run, binary, |_| Command::new(binary)).await
    }

    /// As [`Prepared::start`], with a collector whose instructions are counted.
    pub(crate) async fn start_counted(run: &Run, binary: &Path) -> anyhow::Result<Self> {
        let command = |folder: &Path| {
            let mut command = callgrind::command(&profiles(folder));
            command.arg(binary);
            command
        };
        Self::start_as(run, binary, command).await
    }

    async fn start_as(
        run: &Run,
        binary: &Path,
        command: impl FnOnce(&Path) -> Command,
    ) -> anyhow::Result<Self> {
        let mesh = Arc::new(Mesh::new(run.edges));
        let mut once = Round::new(&mesh, &mesh.each_once(), run.batch_records);
        let hops = mesh.hops(run.hops, run.active_proxies.unwrap_or(usize::MAX));
        let mut round = Round::new(&mesh, &hops, run.batch_records);
        drop(hops);
        let folder = tempfile::tempdir()?;
        let collector =
            Collector::start(binary, command(folder.path()), &settings(run, folder.path())).await?;
        let empty_bytes = collector.memory_bytes()?;
        let mut load = Load::new(Arc::clone(&mesh), collector.connect(CONNECTIONS).await?, run.in_flight_max);
        load.introduce().await?;
        let mut records = load.half(&mut once, true).await?.records;
        records += load.half(&mut once, false).await?.records;
        let grown_bytes = collector.memory_bytes()?.saturating_sub(empty_bytes);
        let table_bytes = collector.sample(PENDING_BYTES).await?;
        records += load.half(&mut round, true).await?.records;
        let pending_records = collector.sample(PENDING_RECORDS).await?;
        let pending_bytes = collector.sample(PENDING_BYTES).await?;
        records += load.half(&mut round, false).await?.records;
        Ok(Self {
            collector,
            load,
            round,
            edges: mesh.edges.len() as u64,
            edges_bytes: grown_bytes.saturating_sub(table_bytes),
            pending_records,
            pending_bytes,
            records,
            folder,
        })
    }

    /// Path of callgrind's profiles.
    pub(crate) fn profiles(&self) -> PathBuf {
        profiles(self.folder.path())
    }

    /// Compares the collector's count with all acknowledged records.
    pub(crate) async fn check_counts(&self, measured: u64) -> anyhow::Result<()> {
        let delivered = self.collector.sample(DELIVERED).await?;
        let acknowledged = self.records + measured;
        ensure!(delivered == acknowledged, "{delivered} records were counted, {acknowledged} acknowledged");
        Ok(())
    }
}

fn profiles(folder: &Path) -> PathBuf {
    folder.join("callgrind")
}

fn settings(run: &Run, folder: &Path) -> Vec<(Names, String)> {
    let mut settings: Vec<_> =
        run.settings.iter().map(|(names, value)| (*names, (*value).to_owned())).collect();
    settings.push((JOIN, run.join.to_string()));
    if run.journal {
        settings.push((DATA_DIR, folder.join("data").display().to_string()));
    }
    settings
}
