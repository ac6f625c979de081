//! Envoy's access log service, version 3: converts entries to batches, for an Envoy without the
//! filter.
//!
//! In: the encoded messages of one `StreamAccessLogs` stream, and the time.
//! Out: [`Batch`]es as the filter sends them.
//! Invariant: one stream is one epoch. Every entry of a finished request is in a batch, or counted
//! as dropped in the next one. Entries are decoded one by one, so that a message of many small
//! entries takes no more memory than its bytes. No batch exceeds the limits of the validator.
//!
//! Source: `envoy/service/accesslog/v3/als.proto`, `envoy/data/accesslog/v3/accesslog.proto`.

mod error;
mod node;
mod entry;
mod reporter;
mod peer;
mod service;
mod flags;
mod tables;
mod text;

pub use error::{Error, Skip};

use super::proto_fields::Fields;
use entry::Entry;
use hopscope_proto::v1::{self, Batch, SCHEMA_VERSION};
use node::Client;
use tables::Tables;

/// Maximum records of one batch; a longer message yields several batches.
const BATCH_RECORDS_MAX: usize = 4_096;

/// Entries that one call of [`Batches::next_batch`] skips.
const BATCH_SKIPPED_MAX: usize = 1_024;

/// Access log stream of one proxy.
#[derive(Debug)]
pub struct Stream {
    epoch: u64,
    /// Name of a proxy whose node has no id.
    fallback_name: String,
    client: Option<Client>,
    sequence: u64,
    seen: u64,
    sent: u64,
    dropped: u64,
    skipped: [u64; Skip::LABELS.len()],
}

impl Stream {
    /// Creates a stream. `epoch`: a random number other than 0. `fallback_name`: name of a proxy
    /// whose node has no id.
    #[must_use]
    pub fn new(epoch: u64, fallback_name: String) -> Self {
        let skipped = [0; _];
        Self { epoch, fallback_name, client: None, sequence: 0, seen: 0, sent: 0, dropped: 0, skipped }
    }

    /// Starts to read a message.
    ///
    /// # Errors
    ///
    /// When the stream has no identifier yet, or an invalid one.
    pub fn read<'a>(&'a mut self, message: &'a [u8], now_us: u64) -> Result<Batches<'a>, Error> {
        if self.client.is_none() {
            let identifier = Fields::new(message).find_map(|field| match field {
                Ok((1, bytes)) => Some(node::read(bytes, &self.fallback_name)),
                _ => None,
            });
            self.client = Some(identifier.ok_or(Error::MissingIdentifier)??);
        }
        Ok(Batches { stream: self, outer: Fields::new(message), inner: None, is_at_end: false, now_us })
    }

    /// Returns the proxy; `None` before the identifier is read.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        self.client.as_ref().map(|client| client.proxy.as_str())
    }

    /// Returns the epoch of the stream.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Counts the requests of a rejected batch as dropped, from the next batch on.
    pub fn lost(&mut self, batch_records: u64) {
        let lost = batch_records.min(self.sent);
        self.sent = self.sent.saturating_sub(lost);
        self.dropped = self.dropped.saturating_add(lost);
    }

    /// Returns and resets the number of skipped entries by [`Skip::LABELS`].
    pub fn take_skipped(&mut self) -> [u64; Skip::LABELS.len()] {
        std::mem::replace(&mut self.skipped, [0; _])
    }

    fn skip(&mut self, reason: Skip) {
        if let Some(count) = self.skipped.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
        if reason.loses_request() {
            self.seen = self.seen.saturating_add(1);
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn batch(&mut self, tables: Tables) -> Option<Batch> {
        let client = self.client.as_ref()?;
        let records = tables.records() as u64;
        self.seen = self.seen.saturating_add(records);
        self.sent = self.sent.saturating_add(records);
        self.sequence = self.sequence.saturating_add(1);
        let dropped = v1::Drop { reason: v1::DropReason::Rejected.into(), count_total: self.dropped };
        let batch = Batch {
            schema_version: SCHEMA_VERSION,
            proxy: client.proxy.clone(),
            epoch: self.epoch,
            sequence: self.sequence,
            // A stream cannot be asked for its identity, so that every batch includes it.
            identity: Some(client.identity.clone()),
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

/// Iterator over the batches of one message.
#[derive(Debug)]
pub struct Batches<'a> {
    stream: &'a mut Stream,
    outer: Fields<'a>,
    inner: Option<(Kind, Fields<'a>)>,
    is_at_end: bool,
    now_us: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Http,
    Tcp,
}

impl<'a> Batches<'a> {
    /// Returns the next batch; `None` at the end, and when many entries in a row were skipped
    /// ([`Batches::is_at_end`]). Between two calls, [`Batches::stream`] gives access to the stream.
    ///
    /// # Errors
    ///
    /// When the rest of the message is invalid. Earlier batches stay valid.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let mut tables = Tables::new(self.now_us);
        let mut skipped = 0;
        while tables.records() < BATCH_RECORDS_MAX && skipped < BATCH_SKIPPED_MAX {
            let Some((kind, bytes)) = self.entry()? else {
                self.is_at_end = true;
                break;
            };
            let Some(client) = &self.stream.client else { return Err(Error::MissingIdentifier) };
            let entry = match kind {
                Kind::Http => Entry::http(bytes, client, self.now_us),
                Kind::Tcp => Entry::tcp(bytes, client, self.now_us),
            };
            match entry {
                Ok(entry) => tables.add(&entry),
                Err(reason) => {
                    skipped += 1;
                    self.stream.skip(reason);
                }
            }
        }
        if tables.records() == 0 { Ok(None) } else { Ok(self.stream.batch(tables)) }
    }

    /// Whether every entry of the message was examined.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Returns the stream of the message.
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
