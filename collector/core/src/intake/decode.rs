//! Fast-path decoder: reads a batch in place.
//!
//! In: an encoded batch, the limits, and the time.
//! Out: the [`Batch`], or `None` for a non-canonical encoding or a batch with any invalid value.
//! Invariant: the result equals that of prost and [`check`](validate::check) for the same bytes,
//! which a test verifies; only the columns are copied, and no memory is allocated per text or row.
//!
//! Clients encode every table before the rows that refer to it, singular messages once, and columns
//! packed. Protobuf allows other encodings: they, and batches with an invalid value in any row, fall
//! back to prost and the validator, which alone rejects rows and moves the times of single records.
//!
//! A new field of the contract needs a new match arm: in `Decoder::field` for the batch, in
//! `tables::edge` and `tables::outcome` for the rows, in `records::read` for a column. Fields
//! without an arm are skipped.

mod varints;
mod records;
mod tables;
mod wire;

use super::validate::tables::Valid;
use super::validate::times::BatchTimes;
use super::validate::{self, Limits, TEXT_BYTES_MAX};
use crate::batch::edge_table::{EdgeFingerprint, Edges};
use crate::batch::{Batch, Connections, Details, EpochId, Identity, Outcome, Record, RejectedRows, Totals};
use hopscope_proto::v1;
use prost::Message;
use prost::bytes::Bytes;
use records::Rows;
use std::ops::Range;
use wire::{Cursor, Value};

/// Columns of single records that are not decoded yet.
#[derive(Debug)]
pub(super) struct Columns {
    /// Position of the columns in the message.
    span: Range<usize>,
    rows: Rows,
}

impl Columns {
    /// Decodes the columns, and replaces the content of `records`. Returns `None` for a fallback to
    /// prost.
    pub(super) fn read(&self, message: &[u8], records: &mut Vec<Record>) -> Option<()> {
        records::read(message.get(self.span.clone())?, &self.rows, records)
    }
}

/// Decodes a batch except its single records. Returns `None` for a fallback to prost.
pub(super) fn read(message: &Bytes, limits: &Limits, now_us: u64) -> Option<(Batch, Option<Columns>)> {
    let mut decoder = Decoder::new(message, limits, now_us)?;
    let mut fields = Cursor::new(message);
    while let Some((number, value)) = fields.field()? {
        decoder.field(number, value)?;
    }
    decoder.batch()
}

/// Decoder with the parts of the batch that are read so far.
struct Decoder<'a> {
    message: &'a Bytes,
    limits: &'a Limits,
    now_us: u64,
    head: Head<'a>,
    totals: Option<Totals>,
    identity: Option<Identity>,
    spans: Vec<(u32, u32)>,
    /// Number of texts.
    texts: usize,
    fingerprints: Vec<EdgeFingerprint>,
    edges: Option<Edges>,
    outcomes: Vec<Outcome>,
    details: Details,
    columns: Option<Columns>,
    folds: Vec<v1::Fold>,
    in_flight: Vec<v1::InFlight>,
    messages: Vec<v1::Messages>,
    /// Whether a field with times relative to the base time was read.
    is_base_used: bool,
}

#[derive(Default)]
struct Head<'a> {
    schema_version: u32,
    proxy: &'a str,
    epoch: u64,
    sequence: u64,
    attempt: u32,
    base_us: u64,
}

impl<'a> Decoder<'a> {
    fn new(message: &'a Bytes, limits: &'a Limits, now_us: u64) -> Option<Self> {
        u32::try_from(message.len()).ok()?;
        Some(Self {
            message,
            limits,
            now_us,
            head: Head::default(),
            totals: None,
            identity: None,
            spans: Vec::with_capacity(32),
            texts: 0,
            fingerprints: Vec::new(),
            edges: None,
            outcomes: Vec::new(),
            details: Details::default(),
            columns: None,
            folds: Vec::new(),
            in_flight: Vec::new(),
            messages: Vec::new(),
            is_base_used: false,
        })
    }

    #[inline]
    fn field(&mut self, number: u32, value: Value<'a>) -> Option<()> {
        match (number, value) {
            (1, Value::Varint(value)) => self.head.schema_version = value as u32,
            (2, Value::Bytes(bytes)) => self.head.proxy = std::str::from_utf8(bytes).ok()?,
            (3, Value::Fixed64(value)) => self.head.epoch = value,
            (4, Value::Varint(value)) => self.head.sequence = value,
            (5, Value::Bytes(bytes)) => self.identity(bytes)?,
            (6, Value::Bytes(bytes)) => self.ledger(bytes)?,
            (7, Value::Fixed64(value)) => {
                if self.is_base_used {
                    return None;
                }
                self.head.base_us = value;
            }
            (8, Value::Bytes(bytes)) => self.text(bytes)?,
            (9, Value::Bytes(bytes)) => self.edge(bytes)?,
            (10, Value::Bytes(bytes)) => self.outcome(bytes)?,
            (11, Value::Bytes(bytes)) => self.records(bytes)?,
            (12, Value::Bytes(bytes)) => {
                self.is_base_used = true;
                self.folds.push(v1::Fold::decode(bytes).ok()?);
            }
            (13, Value::Bytes(bytes)) => self.in_flight.push(v1::InFlight::decode(bytes).ok()?),
            (15, Value::Varint(value)) => self.head.attempt = value as u32,
            (16, Value::Bytes(bytes)) => self.messages.push(v1::Messages::decode(bytes).ok()?),
            // Unexpected wire type, or a field that only prost decodes.
            (1..=17, _) => return None,
            _ => {}
        }
        let most = self.folds.len().max(self.in_flight.len()).max(self.messages.len());
        (most <= self.limits.rows_max).then_some(())
    }

    fn identity(&mut self, bytes: &[u8]) -> Option<()> {
        let identity = validate::identity(v1::Identity::decode(bytes).ok()?).ok()?;
        self.identity.replace(identity).is_none().then_some(())
    }

    fn ledger(&mut self, bytes: &[u8]) -> Option<()> {
        let totals = validate::totals(&v1::Ledger::decode(bytes).ok()?).ok()?;
        self.totals.replace(totals).is_none().then_some(())
    }

    fn text(&mut self, bytes: &'a [u8]) -> Option<()> {
        let is_first = self.spans.is_empty();
        if is_first && !bytes.is_empty()
            || bytes.len() > TEXT_BYTES_MAX
            || self.edges.is_some()
            || !self.outcomes.is_empty()
            || self.spans.len() >= self.limits.strings_max
        {
            return None;
        }
        std::str::from_utf8(bytes).ok()?;
        let start = self.offset_of(bytes)?;
        self.spans.push((u32::try_from(start).ok()?, u32::try_from(bytes.len()).ok()?));
        self.texts = self.spans.len();
        Some(())
    }

    fn edge(&mut self, bytes: &[u8]) -> Option<()> {
        if self.edges.is_none() {
            let edges = Edges::new(self.message.clone(), std::mem::take(&mut self.spans), 8);
            self.fingerprints = edges.text_fingerprints();
            self.edges = Some(edges);
        }
        let edges = self.edges.as_mut()?;
        let (attributes, texts) = tables::edge(bytes)?;
        let is_valid =
            edges.len() < self.limits.rows_max && edges.push(attributes, texts, &self.fingerprints);
        (is_valid && self.columns.is_none() && !self.is_base_used).then_some(())
    }

    fn outcome(&mut self, bytes: &[u8]) -> Option<()> {
        let (outcome, texts) = tables::outcome(bytes, self.texts)?;
        if texts != [0, 0] {
            let spans = [self.span(texts[0])?, self.span(texts[1])?];
            self.details.push(self.message, self.outcomes.len(), spans);
        }
        let is_within = self.outcomes.len() < self.limits.rows_max;
        self.outcomes.push(outcome);
        (is_within && self.columns.is_none() && !self.is_base_used).then_some(())
    }

    /// Returns the position of a text in the message.
    fn span(&self, text: u32) -> Option<(u32, u32)> {
        match &self.edges {
            Some(edges) => edges.span(text as usize),
            None => self.spans.get(text as usize).copied(),
        }
    }

    fn records(&mut self, bytes: &[u8]) -> Option<()> {
        self.is_base_used = true;
        let times = BatchTimes::new(self.head.base_us, self.limits, self.now_us);
        let rows = Rows {
            count: records::count(bytes, self.limits.records_max)?,
            edges: self.edges.as_ref().map_or(0, Edges::len),
            outcomes: self.outcomes.len(),
            base_us: times.base_us,
            last_us: times.last_us,
            first_us: times.first_us,
        };
        let start = self.offset_of(bytes)?;
        let columns = Columns { span: start..start.checked_add(bytes.len())?, rows };
        self.columns.replace(columns).is_none().then_some(())
    }

    /// Returns the offset of a part of the message.
    fn offset_of(&self, part: &[u8]) -> Option<usize> {
        (part.as_ptr() as usize).checked_sub(self.message.as_ptr() as usize)
    }

    fn batch(self) -> Option<(Batch, Option<Columns>)> {
        let Head { schema_version, proxy, epoch, sequence, attempt, base_us } = self.head;
        let is_valid = schema_version == v1::SCHEMA_VERSION
            && (1..=TEXT_BYTES_MAX).contains(&proxy.len())
            && epoch != 0
            && sequence != 0
            && self.texts > 0;
        let edges = self.edges.unwrap_or_default();
        let rows = validate::rows::Rows {
            edges: Valid::All(edges.len()),
            outcomes: Valid::All(self.outcomes.len()),
            times: BatchTimes::new(base_us, self.limits, self.now_us),
            limits: self.limits,
        };
        let mut rejected = RejectedRows::default();
        let folds = rows.folds(self.folds, &mut rejected).ok()?;
        let messages = rows.messages(&self.messages, &mut rejected).ok()?;
        let in_flight = rows.in_flight(&self.in_flight, &edges, &mut rejected).ok()?;
        let is_valid = is_valid && rejected.is_empty();
        let singles = self.columns.as_ref().map_or(0, |columns| columns.rows.count);
        let moved = if rows.times.is_moved { singles as u64 } else { 0 };
        let mut batch = Batch {
            epoch_id: EpochId { proxy: proxy.into(), epoch },
            sequence,
            attempt: attempt.max(1),
            identity: self.identity,
            totals: self.totals?,
            edges,
            outcomes: self.outcomes,
            details: self.details,
            records: Vec::new(),
            folds: folds.rows,
            in_flight,
            connections: Connections::default(),
            streams: Vec::new(),
            messages,
            rejected,
            moved: folds.moved.saturating_add(moved),
        };
        validate::content_is_within_totals(&mut batch, singles).ok()?;
        is_valid.then_some((batch, self.columns))
    }
}

#[cfg(test)]
mod tests;
