//! Records on their way: tables of what repeats, and a row of figures per request.
//!
//! In: records, and fold rows. Out: the fields of the contract's `v1::Batch` that hold them. Always holds: each edge, outcome
//! and text stands once; the order of the rows is the order in which the requests ended.

use crate::batch::columns::{self, Row};
use crate::batch::encode::{EncodedMessage, zigzag};
use crate::batch::fold::Fold;
use crate::batch::intern::{EdgeInterner, Table};
use crate::in_flight::byte_deltas::ByteDelta;
use crate::in_flight::requests::InFlightSummary;
use crate::record::{Edge, MessageCounts, Outcome, Record, RequestStats};
use std::rc::Rc;

/// Numbers of the fields of `v1::Batch`. Who sends it and the books are the sender's to write, the rest is written here.
pub(crate) mod field {
    pub(crate) const SCHEMA_VERSION: u32 = 1;
    pub(crate) const PROXY: u32 = 2;
    pub(crate) const EPOCH: u32 = 3;
    pub(crate) const SEQUENCE: u32 = 4;
    pub(crate) const IDENTITY: u32 = 5;
    pub(crate) const LEDGER: u32 = 6;
    pub(super) const BASE_TIME: u32 = 7;
    pub(super) const STRINGS: u32 = 8;
    pub(super) const EDGES: u32 = 9;
    pub(super) const OUTCOMES: u32 = 10;
    pub(super) const RECORDS: u32 = 11;
    pub(super) const FOLDS: u32 = 12;
    pub(super) const OPEN: u32 = 13;
    pub(super) const CONNECTIONS: u32 = 14;
    pub(crate) const ATTEMPT: u32 = 15;
    pub(super) const MESSAGES: u32 = 16;
    pub(super) const STREAMS: u32 = 17;
}

/// Records of one batch, and the fold rows that ride along.
#[derive(Debug, Default)]
pub struct Batch {
    edges: EdgeInterner,
    outcomes: Table<Outcome>,
    rows: Vec<Row>,
    folds: Vec<(u32, u32, Fold)>,
    /// What is open, and what is new of it, as it will be sent.
    living: EncodedMessage,
    /// One row per edge and outcome that has any.
    messages: Vec<(u32, u32, MessageCounts)>,
}

impl Batch {
    /// What a record takes in it, its edge and outcome aside, which others share.
    pub const RECORD_BYTES: usize = size_of::<Row>();

    /// Appends a record.
    pub fn push(&mut self, record: &Record) {
        let (edge, outcome) = (self.edges.index(&record.edge), self.outcomes.index(&record.outcome));
        self.rows.push((edge, outcome, record.stats));
        self.add_messages(edge, outcome, record.messages);
    }

    /// Appends a fold row.
    pub fn push_fold(&mut self, edge: &Rc<Edge>, outcome: &Outcome, fold: Fold) {
        let row = (self.edges.index(edge), self.outcomes.index(outcome), fold);
        self.add_messages(row.0, row.1, row.2.messages);
        self.folds.push(row);
    }

    fn add_messages(&mut self, edge: u32, outcome: u32, messages: MessageCounts) {
        if messages == MessageCounts::default() {
            return;
        }
        match self.messages.iter_mut().find(|row| (row.0, row.1) == (edge, outcome)) {
            Some(row) => row.2.add(messages),
            None => self.messages.push((edge, outcome, messages)),
        }
    }

    /// The messages of its requests, by edge and outcome.
    pub fn messages(&self) -> impl Iterator<Item = (&Rc<Edge>, &Outcome, MessageCounts)> {
        self.messages.iter().filter_map(|(edge, outcome, messages)| {
            Some((self.edges.get(*edge)?, self.outcomes.get(*outcome)?, *messages))
        })
    }

    /// Appends what one side has open.
    pub fn push_open(&mut self, open: &InFlightSummary) {
        let mut side = EncodedMessage::default();
        // The fields of `v1::Open` and `v1::OpenLong`, in order.
        side.numbers(1, &[open.reporter as u64, open.count, open.oldest_age_us, open.long_count]);
        for row in &open.long {
            let edge = u64::from(self.edges.index(&row.edge));
            let mut long = EncodedMessage::default();
            long.numbers(1, &[edge, row.count, row.oldest_age_us, row.request_bytes, row.response_bytes]);
            side.message(5, &long);
        }
        self.living.message(field::OPEN, &side);
    }

    /// Appends what is new of open connections.
    pub fn push_connections(&mut self, flow: &ByteDelta) {
        self.push_delta(field::CONNECTIONS, flow);
    }

    /// Appends what is new of streams.
    pub fn push_streams(&mut self, flow: &ByteDelta) {
        self.push_delta(field::STREAMS, flow);
    }

    fn push_delta(&mut self, field: u32, flow: &ByteDelta) {
        let edge = u64::from(self.edges.index(&flow.edge));
        let mut wire = EncodedMessage::default();
        // The fields of `v1::Flow`, in order.
        wire.numbers(1, &[edge, flow.opened, flow.request_bytes, flow.response_bytes]);
        self.living.message(field, &wire);
    }

    /// How many single records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds no single record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many requests its fold rows stand for.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folds.iter().fold(0, |sum, (_, _, fold)| sum.saturating_add(fold.count))
    }

    /// Its single records, one by one.
    pub fn records(&self) -> impl Iterator<Item = (&Rc<Edge>, &Outcome, &RequestStats)> {
        self.rows.iter().filter_map(|(edge, outcome, stats)| {
            Some((self.edges.get(*edge)?, self.outcomes.get(*outcome)?, stats))
        })
    }

    /// Appends its tables and rows to the message that says whose they are.
    pub fn write(&self, message: &mut EncodedMessage) {
        let base_us = self.base_us();
        message.fixed(field::BASE_TIME, base_us);
        let mut strings = Table::default();
        strings.index("");
        let mut rows = EncodedMessage::default();
        for edge in self.edges.values() {
            rows.message(field::EDGES, &encode_edge(edge, &mut strings));
        }
        for outcome in self.outcomes.values() {
            rows.message(field::OUTCOMES, &encode_outcome(outcome, &mut strings));
        }
        for text in strings.values() {
            message.bytes(field::STRINGS, text.as_bytes());
        }
        message.append(&rows);
        message.message(field::RECORDS, &columns::pack(&self.rows, base_us));
        for row in &self.folds {
            message.message(field::FOLDS, &encode_fold(row, base_us));
        }
        message.append(&self.living);
        for (edge, outcome, messages) in &self.messages {
            let mut row = EncodedMessage::default();
            // The fields of `v1::Messages`, in order.
            row.numbers(1, &[u64::from(*edge), u64::from(*outcome), messages.request, messages.response]);
            message.message(field::MESSAGES, &row);
        }
    }

    fn base_us(&self) -> u64 {
        let first_row = self.rows.first().map(|(_, _, stats)| stats.start_us);
        let first_fold = self.folds.first().map(|(_, _, fold)| fold.first_start_us);
        first_row.or(first_fold).unwrap_or(0)
    }
}

#[inline(never)]
fn encode_edge(edge: &Edge, strings: &mut Table<String>) -> EncodedMessage {
    let Edge { reporter, peer, local_principal, mutual_tls, service } = edge;
    let mut text = |text: &str| u64::from(strings.index(text));
    let mut wire = EncodedMessage::default();
    // The fields of `v1::Edge`, in order.
    wire.numbers(
        1,
        &[
            *reporter as u64,
            text(&peer.workload),
            text(&peer.namespace),
            text(&peer.app),
            text(&peer.version),
            text(&peer.canonical_service),
            text(&peer.canonical_revision),
            text(&peer.cluster),
            text(&peer.address),
            text(&peer.principal),
            text(local_principal),
            u64::from(*mutual_tls),
            text(&service.host),
            text(&service.name),
            text(&service.namespace),
            u64::from(service.port),
            text(&service.subset),
            service.evidence as u64,
        ],
    );
    wire
}

#[inline(never)]
fn encode_outcome(outcome: &Outcome, strings: &mut Table<String>) -> EncodedMessage {
    let (details, reason) =
        outcome.failure.as_ref().map_or(("", ""), |why| (&why.code_details, &why.transport_failure_reason));
    let mut text = |text: &str| u64::from(strings.index(text));
    let mut wire = EncodedMessage::default();
    // The fields of `v1::Outcome`, in order.
    wire.numbers(1, &[u64::from(outcome.response_code), outcome.response_flags]);
    if let Some(status) = outcome.grpc_status {
        wire.number(3, u64::from(status));
    }
    let continued = u64::from(outcome.continued);
    wire.numbers(4, &[outcome.protocol as u64, text(details), text(reason), continued]);
    wire
}

#[inline(never)]
fn encode_fold((edge, outcome, fold): &(u32, u32, Fold), base_us: u64) -> EncodedMessage {
    let (first_us, last_us) = (delta(fold.first_start_us, base_us), delta(fold.last_start_us, base_us));
    let mut wire = EncodedMessage::default();
    // The fields of `v1::Fold`, in order.
    let (edge, outcome) = (u64::from(*edge), u64::from(*outcome));
    wire.numbers(1, &[edge, outcome, fold.count, zigzag(first_us), zigzag(last_us)]);
    wire.message(6, &fold.duration.encode());
    wire.numbers(7, &[fold.request_bytes_sum, fold.response_bytes_sum]);
    wire
}

/// A time as the contract tells it, against another.
pub(crate) fn delta(time_us: u64, base_us: u64) -> i64 {
    time_us.wrapping_sub(base_us).cast_signed()
}

#[cfg(test)]
mod tests;
