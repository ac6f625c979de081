//! Builder of the tables and columns of a batch.
//!
//! In: entries.
//! Out: the complete [`Batch`].
//! Invariant: texts, edges and outcomes have no duplicates; entry 0 of the texts is empty; no text
//! is longer than the filter's limit.

use super::entry::Entry;
use super::text::bounded;
use hopscope_proto::v1::{Batch, Edge, Outcome, Records};
use std::collections::HashMap;
use std::hash::Hash;

/// Table of distinct rows with an index.
#[derive(Debug)]
struct Table<T> {
    rows: Vec<T>,
    indexes: HashMap<T, u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), indexes: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Table<T> {
    /// Returns the index of a row, and appends a new one.
    fn index(&mut self, row: T) -> u32 {
        if let Some(index) = self.indexes.get(&row) {
            return *index;
        }
        let index = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.push(row.clone());
        self.indexes.insert(row, index);
        index
    }
}

/// Tables and columns of a batch.
#[derive(Debug)]
pub(super) struct Tables {
    strings: Table<String>,
    edges: Table<Edge>,
    outcomes: Table<Outcome>,
    records: Records,
    base_us: u64,
    last_us: u64,
}

impl Tables {
    /// Creates empty tables. `now_us`: reference time of all times, so that no time of an entry
    /// affects those of others.
    pub(super) fn new(now_us: u64) -> Self {
        Self {
            strings: Table::default(),
            edges: Table::default(),
            outcomes: Table::default(),
            records: Records::default(),
            base_us: now_us,
            last_us: now_us,
        }
    }

    /// Returns the number of records.
    pub(super) fn records(&self) -> usize {
        self.records.edge.len()
    }

    /// Appends a record.
    pub(super) fn add(&mut self, entry: &Entry) {
        let edge = self.edge(entry);
        let edge = self.edges.index(edge);
        let outcome = Outcome {
            response_code: entry.response_code,
            response_flags: entry.response_flags,
            grpc_status: entry.grpc_status,
            protocol: entry.protocol.into(),
            code_details: self.text(&entry.code_details),
            transport_failure_reason: self.text(&entry.transport_failure_reason),
            continued: false,
        };
        let outcome = self.outcomes.index(outcome);
        let columns = &mut self.records;
        columns.edge.push(edge);
        columns.outcome.push(outcome);
        columns.start_delta_us.push(entry.start_us.wrapping_sub(self.last_us).cast_signed());
        columns.duration_us.push(entry.duration_us);
        columns.request_bytes.push(entry.request_bytes);
        columns.response_bytes.push(entry.response_bytes);
        columns.request_id_hash.push(entry.request_id_hash);
        columns.attempts.push(entry.attempts);
        self.last_us = entry.start_us;
    }

    /// Moves tables and columns into a batch.
    pub(super) fn fill(self, batch: Batch) -> Batch {
        let mut strings = self.strings.rows;
        if strings.is_empty() {
            strings.push(String::new());
        }
        Batch {
            base_time_unix_us: self.base_us,
            strings,
            edges: self.edges.rows,
            outcomes: self.outcomes.rows,
            records: Some(self.records),
            ..batch
        }
    }

    fn edge(&mut self, entry: &Entry) -> Edge {
        let (peer, service) = (&entry.peer, &entry.service);
        Edge {
            reporter: entry.reporter.into(),
            peer_workload: self.text(&peer.workload),
            peer_namespace: self.text(&peer.namespace),
            peer_app: self.text(&peer.app),
            peer_version: self.text(&peer.version),
            peer_canonical_service: self.text(&peer.canonical_service),
            peer_canonical_revision: self.text(&peer.canonical_revision),
            peer_cluster: self.text(&peer.cluster),
            peer_address: self.text(&entry.peer_address),
            peer_principal: self.text(&entry.peer_principal),
            local_principal: self.text(&entry.local_principal),
            mutual_tls: !entry.peer_principal.is_empty() && !entry.local_principal.is_empty(),
            service_host: self.text(&service.host),
            service_name: self.text(&service.name),
            service_port: service.port,
            subset: self.text(&service.subset),
            service_evidence: service.evidence.into(),
            ..Edge::default()
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        if self.strings.rows.is_empty() {
            self.strings.index(String::new());
        }
        self.strings.index(bounded(text).to_owned())
    }
}
