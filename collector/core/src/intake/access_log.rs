//! Envoy's standard access log service, version 3, in the words of the contract: an Envoy without the filter takes part.
//!
//! In: the messages of one `StreamAccessLogs` stream, as bytes, and the time. Out: [`Batch`]es as a filter would send
//! them, which then go the same way as all others. Always holds: one stream is one epoch; every entry of a finished request
//! is in a batch or counted as dropped in the next one; an entry is decoded alone, so that a message of many small
//! entries takes no more memory than its bytes; no batch is over the limits of the check.
//!
//! Source: `envoy/service/accesslog/v3/als.proto`, `envoy/data/accesslog/v3/accesslog.proto`.

mod node;
mod entry;
mod service;
mod flags;
mod tables;

use super::proto_fields::{Fields, Torn};
use entry::Entry;
use hopscope_proto::v1::{self, Batch, SCHEMA_VERSION};
use node::Writer;
use tables::Tables;

/// Records of one batch; a longer message becomes several.
const BATCH_RECORDS_MAX: usize = 4_096;

/// Why an entry is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// It tells of a request that goes on.
    Unfinished,
    /// It tells of one attempt upstream, which the request's own entry counts.
    Upstream,
    /// The bytes are no entry.
    Malformed,
    /// It has no start, or one that cannot be.
    Time,
    /// Its status is none.
    ResponseCode,
}

impl Skip {
    /// Every value of label `reason` of `hopscope_access_log_entries_skipped_total`, in the order of the variants.
    pub const LABELS: [&'static str; 5] = ["unfinished", "upstream", "malformed", "time", "response_code"];

    /// Whether a finished request is missing from the counts because of it.
    fn loses(self) -> bool {
        !matches!(self, Self::Unfinished | Self::Upstream)
    }
}

/// Why a message could not be read to its end. The text fits "failed to read the message: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no message of the service.
    #[error("the bytes are no access log message: {0}")]
    Malformed(&'static str),
    /// Nobody knows whose log it is.
    #[error("the first message of a stream has no identifier")]
    Stranger,
}

impl From<Torn> for Error {
    fn from(Torn(problem): Torn) -> Self {
        Self::Malformed(problem)
    }
}

/// One stream.
#[derive(Debug)]
pub struct Stream {
    epoch: u64,
    /// The name of a proxy that has none.
    nameless: String,
    writer: Option<Writer>,
    sequence: u64,
    seen: u64,
    sent: u64,
    dropped: u64,
    skipped: [u64; Skip::LABELS.len()],
}

impl Stream {
    /// A stream that begins. `epoch`: a random number other than 0. `nameless`: what to call a proxy whose node has no id.
    #[must_use]
    pub fn new(epoch: u64, nameless: String) -> Self {
        let skipped = [0; _];
        Self { epoch, nameless, writer: None, sequence: 0, seen: 0, sent: 0, dropped: 0, skipped }
    }

    /// Begins to read a message.
    ///
    /// # Errors
    ///
    /// When the stream never said whose log it is, or what it said is no identifier.
    pub fn read<'a>(&'a mut self, message: &'a [u8], now_us: u64) -> Result<Batches<'a>, Error> {
        if self.writer.is_none() {
            let identifier = Fields::new(message).find_map(|field| match field {
                Ok((1, bytes)) => Some(node::read(bytes, &self.nameless)),
                _ => None,
            });
            self.writer = Some(identifier.ok_or(Error::Stranger)??);
        }
        Ok(Batches { stream: self, outer: Fields::new(message), inner: None, now_us })
    }

    /// The proxy, once it is known.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        self.writer.as_ref().map(|writer| writer.proxy.as_str())
    }

    /// The random number of this stream.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A batch that came out was not taken: its requests are lost, and the next batch says so.
    pub fn lost(&mut self, batch_records: u64) {
        let lost = batch_records.min(self.sent);
        self.sent = self.sent.saturating_sub(lost);
        self.dropped = self.dropped.saturating_add(lost);
    }

    /// Entries that became no record since the last call, by [`Skip::LABELS`].
    pub fn take_skipped(&mut self) -> [u64; Skip::LABELS.len()] {
        std::mem::replace(&mut self.skipped, [0; _])
    }

    fn skip(&mut self, why: Skip) {
        if let Some(count) = self.skipped.get_mut(why as usize) {
            *count = count.saturating_add(1);
        }
        if why.loses() {
            self.seen = self.seen.saturating_add(1);
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn batch(&mut self, tables: Tables) -> Option<Batch> {
        let writer = self.writer.as_ref()?;
        let records = tables.records() as u64;
        self.seen = self.seen.saturating_add(records);
        self.sent = self.sent.saturating_add(records);
        self.sequence = self.sequence.saturating_add(1);
        let dropped = v1::Drop { reason: v1::DropReason::Refused.into(), count_total: self.dropped };
        let batch = Batch {
            schema_version: SCHEMA_VERSION,
            proxy: writer.proxy.clone(),
            epoch: self.epoch,
            sequence: self.sequence,
            // No stream is ever asked who it is, so every batch says it.
            identity: Some(writer.identity.clone()),
            ledger: Some(v1::Ledger {
                seen_total: self.seen,
                sent_total: self.sent,
                dropped: (self.dropped > 0).then_some(dropped).into_iter().collect(),
                ..v1::Ledger::default()
            }),
            ..Batch::default()
        };
        Some(tables.fill(batch))
    }
}

/// The batches of one message.
#[derive(Debug)]
pub struct Batches<'a> {
    stream: &'a mut Stream,
    outer: Fields<'a>,
    inner: Option<(Kind, Fields<'a>)>,
    now_us: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Http,
    Tcp,
}

impl<'a> Batches<'a> {
    /// The next batch, `None` at the end. A method of the stream in between is reached through [`Batches::stream`].
    ///
    /// # Errors
    ///
    /// When the rest of the message cannot be read; what came before stands.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let mut tables = Tables::default();
        while tables.records() < BATCH_RECORDS_MAX {
            let Some((kind, bytes)) = self.entry()? else { break };
            let Some(writer) = &self.stream.writer else { return Err(Error::Stranger) };
            let read = match kind {
                Kind::Http => Entry::http(bytes, writer, self.now_us),
                Kind::Tcp => Entry::tcp(bytes, writer, self.now_us),
            };
            match read {
                Ok(entry) => tables.add(&entry),
                Err(why) => self.stream.skip(why),
            }
        }
        if tables.records() == 0 { Ok(None) } else { Ok(self.stream.batch(tables)) }
    }

    /// The stream that the message came on.
    pub fn stream(&mut self) -> &mut Stream {
        self.stream
    }

    fn entry(&mut self) -> Result<Option<(Kind, &'a [u8])>, Error> {
        loop {
            if let Some((kind, entries)) = &mut self.inner {
                match entries.next() {
                    Some(Ok((1, bytes))) => return Ok(Some((*kind, bytes))),
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Err(error.into()),
                    None => self.inner = None,
                }
            }
            self.inner = match self.outer.next().transpose()? {
                None => return Ok(None),
                Some((2, bytes)) => Some((Kind::Http, Fields::new(bytes))),
                Some((3, bytes)) => Some((Kind::Tcp, Fields::new(bytes))),
                Some(_) => None,
            };
        }
    }
}

#[cfg(test)]
mod tests;
