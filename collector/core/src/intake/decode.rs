//! A batch read in place.
//!
//! In: an encoded batch, the limits, now. Out: its [`Batch`], or nothing where the batch is not as writers encode it, or is
//! to be refused. Always holds: what comes out is what prost and [`check`] make of the same bytes, which a test
//! compares; nothing is copied but the columns, and nothing is allocated per text or row.
//!
//! Writers encode every table before what refers to it, single messages once, and columns packed; protobuf allows more. Such
//! batches, and all that break a rule, are left to prost and the check, which know every case and every refusal.
//!
//! A new field of the contract is a new arm: of [`Reading::field`] for the batch, [`tables::edge`] and [`tables::outcome`] for
//! the rows, [`records::read`] for a column. Fields that have no arm are passed over.

mod varints;
mod records;
mod tables;
mod wire;

use super::validate::{self, Limits, TEXT_BYTES_MAX};
use crate::batch::edge_table::{EdgeFingerprint, Edges};
use crate::batch::{Batch, Connections, Details, EpochId, Identity, Outcome, Record, Totals};
use hopscope_proto::v1;
use prost::Message;
use prost::bytes::Bytes;
use records::Rows;
use std::ops::Range;
use wire::{Cursor, Value};

/// Single records that are not read yet.
#[derive(Debug)]
pub(super) struct Columns {
    /// Where they stand in the message.
    span: Range<usize>,
    rows: Rows,
}

impl Columns {
    /// Reads them; `None` when prost is to read the message. Whatever was in `records` goes.
    pub(super) fn read(&self, message: &[u8], records: &mut Vec<Record>) -> Option<()> {
        records::read(message.get(self.span.clone())?, &self.rows, records)
    }
}

/// Reads all of a batch but its single records; `None` for one that prost is to read.
pub(super) fn read(message: &Bytes, limits: &Limits, now_us: u64) -> Option<(Batch, Option<Columns>)> {
    let mut reading = Reading::new(message, limits, now_us)?;
    let mut fields = Cursor::new(message);
    while let Some((number, value)) = fields.field()? {
        reading.field(number, value)?;
    }
    reading.batch()
}

/// What was read so far.
struct Reading<'a> {
    message: &'a Bytes,
    limits: &'a Limits,
    now_us: u64,
    head: Head<'a>,
    totals: Option<Totals>,
    identity: Option<Identity>,
    spans: Vec<(u32, u32)>,
    /// Once the texts are complete.
    texts: usize,
    prints: Vec<EdgeFingerprint>,
    edges: Option<Edges>,
    outcomes: Vec<Outcome>,
    details: Details,
    columns: Option<Columns>,
    folds: Vec<v1::Fold>,
    open: Vec<v1::Open>,
    messages: Vec<v1::Messages>,
    /// Whether something was read whose times count from the base.
    timed: bool,
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

impl<'a> Reading<'a> {
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
            prints: Vec::new(),
            edges: None,
            outcomes: Vec::new(),
            details: Details::default(),
            columns: None,
            folds: Vec::new(),
            open: Vec::new(),
            messages: Vec::new(),
            timed: false,
        })
    }

    #[inline]
    fn field(&mut self, number: u32, value: Value<'a>) -> Option<()> {
        match (number, value) {
            (1, Value::Varint(it)) => self.head.schema_version = it as u32,
            (2, Value::Bytes(it)) => self.head.proxy = std::str::from_utf8(it).ok()?,
            (3, Value::Fixed64(it)) => self.head.epoch = it,
            (4, Value::Varint(it)) => self.head.sequence = it,
            (5, Value::Bytes(it)) => self.identity(it)?,
            (6, Value::Bytes(it)) => self.ledger(it)?,
            (7, Value::Fixed64(it)) => {
                if self.timed {
                    return None;
                }
                self.head.base_us = it;
            }
            (8, Value::Bytes(it)) => self.text(it)?,
            (9, Value::Bytes(it)) => self.edge(it)?,
            (10, Value::Bytes(it)) => self.outcome(it)?,
            (11, Value::Bytes(it)) => self.records(it)?,
            (12, Value::Bytes(it)) => {
                self.timed = true;
                self.folds.push(v1::Fold::decode(it).ok()?);
            }
            (13, Value::Bytes(it)) => self.open.push(v1::Open::decode(it).ok()?),
            (15, Value::Varint(it)) => self.head.attempt = it as u32,
            (16, Value::Bytes(it)) => self.messages.push(v1::Messages::decode(it).ok()?),
            // Of another kind than the contract says.
            (1..=17, _) => return None,
            _ => {}
        }
        let most = self.folds.len().max(self.open.len()).max(self.messages.len());
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
        let start = self.place_of(bytes)?;
        self.spans.push((u32::try_from(start).ok()?, u32::try_from(bytes.len()).ok()?));
        self.texts = self.spans.len();
        Some(())
    }

    fn edge(&mut self, bytes: &[u8]) -> Option<()> {
        if self.edges.is_none() {
            let edges = Edges::new(self.message.clone(), std::mem::take(&mut self.spans), 8);
            self.prints = edges.prints();
            self.edges = Some(edges);
        }
        let edges = self.edges.as_mut()?;
        let (kind, texts) = tables::edge(bytes, edges.len())?;
        let there = edges.len() < self.limits.rows_max && edges.push(kind, texts, &self.prints);
        (there && self.columns.is_none() && !self.timed).then_some(())
    }

    fn outcome(&mut self, bytes: &[u8]) -> Option<()> {
        let (outcome, explained) = tables::outcome(bytes, self.outcomes.len(), self.texts)?;
        if explained != [0, 0] {
            let spans = [self.span(explained[0])?, self.span(explained[1])?];
            self.details.push(self.message, self.outcomes.len(), spans);
        }
        let there = self.outcomes.len() < self.limits.rows_max;
        self.outcomes.push(outcome);
        (there && self.columns.is_none() && !self.timed).then_some(())
    }

    /// Where a text of the table stands.
    fn span(&self, text: u32) -> Option<(u32, u32)> {
        match &self.edges {
            Some(edges) => edges.span(text as usize),
            None => self.spans.get(text as usize).copied(),
        }
    }

    fn records(&mut self, bytes: &[u8]) -> Option<()> {
        self.timed = true;
        let rows = Rows {
            count: records::count(bytes, self.limits.records_max)?,
            edges: self.edges.as_ref().map_or(0, Edges::len),
            outcomes: self.outcomes.len(),
            base_us: self.head.base_us,
            last_us: self.now_us.saturating_add(self.limits.ahead_us_max),
            first_us: self.now_us.saturating_sub(self.limits.age_us_max),
        };
        let start = self.place_of(bytes)?;
        let columns = Columns { span: start..start.checked_add(bytes.len())?, rows };
        self.columns.replace(columns).is_none().then_some(())
    }

    /// Where a part of the message begins in it.
    fn place_of(&self, part: &[u8]) -> Option<usize> {
        (part.as_ptr() as usize).checked_sub(self.message.as_ptr() as usize)
    }

    fn batch(self) -> Option<(Batch, Option<Columns>)> {
        let Head { schema_version, proxy, epoch, sequence, attempt, base_us } = self.head;
        let good = schema_version == v1::SCHEMA_VERSION
            && (1..=TEXT_BYTES_MAX).contains(&proxy.len())
            && epoch != 0
            && sequence != 0
            && self.texts > 0;
        let edges = self.edges.unwrap_or_default();
        let rows = validate::rows::Rows {
            edges: edges.len(),
            outcomes: self.outcomes.len(),
            base_us,
            now_us: self.now_us,
            limits: self.limits,
        };
        let folds = rows.folds(self.folds).ok()?;
        let messages = rows.messages(&self.messages).ok()?;
        let open = validate::in_flight::open(&self.open, &edges).ok()?;
        let batch = Batch {
            epoch_id: EpochId { proxy: proxy.into(), epoch },
            sequence,
            attempt: attempt.max(1),
            identity: self.identity,
            totals: self.totals?,
            edges,
            outcomes: self.outcomes,
            details: self.details,
            records: Vec::new(),
            folds,
            open,
            connections: Connections::default(),
            streams: Vec::new(),
            messages,
        };
        let singles = self.columns.as_ref().map_or(0, |columns| columns.rows.count);
        let holds = validate::holds_no_more_than_it_says(&batch, singles).is_ok();
        (good && holds).then_some((batch, self.columns))
    }
}

#[cfg(test)]
mod tests;
