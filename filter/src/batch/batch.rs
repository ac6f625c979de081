//! The batch: interned edges, outcomes and texts, and one row of numbers per request.
//!
//! In: records, fold rows, in-flight summaries and byte deltas. Out: fields of the contract's
//! `v1::Batch`.
//! Invariant: each edge, outcome and text occurs once; rows are in the order in which the requests
//! ended.

use super::columns::{self, Row};
use super::edge_interner::EdgeInterner;
use super::encode::EncodedMessage;
use super::field;
use super::fold::Fold;
use super::intern::Interner;
use super::rows::{FoldRow, encode_edge, encode_fold, encode_outcome};
use crate::in_flight::{ByteDelta, InFlightSummary};
use crate::record::{Edge, MessageCounts, Outcome, Record, RequestStats};
use std::rc::Rc;

/// The records and fold rows of one batch.
#[derive(Debug, Default)]
pub struct Batch {
    edges: EdgeInterner,
    outcomes: Interner<Outcome>,
    rows: Vec<Row>,
    folds: Vec<FoldRow>,
    /// In-flight requests and byte deltas, encoded.
    in_flight: EncodedMessage,
    /// One row per edge and outcome with messages.
    messages: Vec<(u32, u32, MessageCounts)>,
}

impl Batch {
    /// The memory of a record, without its edge and outcome, which are shared.
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

    /// Iterates over the message counts, by edge and outcome.
    pub fn messages(&self) -> impl Iterator<Item = (&Rc<Edge>, &Outcome, MessageCounts)> {
        self.messages.iter().filter_map(|(edge, outcome, messages)| {
            Some((self.edges.get(*edge)?, self.outcomes.get(*outcome)?, *messages))
        })
    }

    /// Appends the in-flight requests of one reporter.
    pub fn push_in_flight(&mut self, summary: &InFlightSummary) {
        let mut side = EncodedMessage::default();
        // The fields of `v1::InFlight` and `v1::InFlightLong`, in order.
        side.numbers(1, &[summary.reporter as u64, summary.count, summary.oldest_age_us, summary.long_count]);
        for row in &summary.long {
            let edge = u64::from(self.edges.index(&row.edge));
            let mut long = EncodedMessage::default();
            long.numbers(1, &[edge, row.count, row.oldest_age_us, row.request_bytes, row.response_bytes]);
            side.message(5, &long);
        }
        self.in_flight.message(field::IN_FLIGHT, &side);
    }

    /// Appends a byte delta of connections.
    pub fn push_connections(&mut self, delta: &ByteDelta) {
        self.push_delta(field::CONNECTIONS, delta);
    }

    /// Appends a byte delta of streams.
    pub fn push_streams(&mut self, delta: &ByteDelta) {
        self.push_delta(field::STREAMS, delta);
    }

    fn push_delta(&mut self, field: u32, delta: &ByteDelta) {
        let edge = u64::from(self.edges.index(&delta.edge));
        let mut message = EncodedMessage::default();
        // The fields of `v1::Flow`, in order.
        message.numbers(1, &[edge, delta.opened, delta.request_bytes, delta.response_bytes]);
        self.in_flight.message(field, &message);
    }

    /// Returns the number of single records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether there is no single record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the number of requests inside fold rows.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folds.iter().fold(0, |sum, (_, _, fold)| sum.saturating_add(fold.count))
    }

    /// Iterates over the single records.
    pub fn records(&self) -> impl Iterator<Item = (&Rc<Edge>, &Outcome, &RequestStats)> {
        self.rows.iter().filter_map(|(edge, outcome, stats)| {
            Some((self.edges.get(*edge)?, self.outcomes.get(*outcome)?, stats))
        })
    }

    /// Appends tables and rows to the message with the fields of the sender.
    pub fn write(&self, message: &mut EncodedMessage) {
        let base_us = self.base_us();
        message.fixed(field::BASE_TIME, base_us);
        let mut strings = Interner::default();
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
        message.append(&self.in_flight);
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

#[cfg(test)]
mod tests;
