//! Raw batch: a message between the gRPC server and the engine.
//!
//! In: a message as it was received. Out: its batch. Invariant: everything except the single
//! records is decoded and checked before the batch is accepted. The records are decoded when the
//! engine applies them, into memory that the previous batch used, so that a batch that waits for
//! the disk is small enough for a CPU cache. A replay judges a message by the limits of its
//! receipt.

use super::decode::{self, Columns};
use super::reject::Rejection;
use super::validate::{self, Limits};
pub use crate::batch::Times;
use crate::batch::{Batch, EpochId, Record};
use hopscope_proto::v1;
use prost::Message;
use prost::bytes::Bytes;

fn times(received_us: u64, limits: &Limits) -> Times {
    Times {
        received_us,
        first_us: received_us.saturating_sub(limits.age_us_max),
        last_us: received_us.saturating_add(limits.ahead_us_max),
    }
}

/// Returns limits that accept every message of these times: a replay accepts what was accepted
/// before, whatever the limits are today.
fn limits_of(times: Times) -> Limits {
    Limits {
        strings_max: usize::MAX,
        rows_max: usize::MAX,
        records_max: usize::MAX,
        ahead_us_max: times.last_us.saturating_sub(times.received_us),
        age_us_max: times.received_us.saturating_sub(times.first_us),
    }
}

/// Records whose memory is reused for the next batch, about a megabyte.
const SCRATCH_RECORDS_MAX: usize = 16_384;

/// An accepted message whose single records are not decoded yet.
#[derive(Debug)]
pub struct RawBatch {
    message: Bytes,
    batch: Batch,
    /// Columns of the records, until they are decoded.
    columns: Option<Columns>,
    times: Times,
}

impl RawBatch {
    /// Reads a message, and checks everything except its single records.
    ///
    /// # Errors
    ///
    /// The first [`Rejection`] found.
    pub fn read(message: &Bytes, limits: &Limits, received_us: u64) -> Result<Self, Rejection> {
        let times = times(received_us, limits);
        let (batch, columns) = match decode::read(message, limits, received_us) {
            Some(read) => read,
            None => (read_with_prost(message, limits, received_us)?, None),
        };
        Ok(Self { message: message.clone(), batch, columns, times })
    }

    /// Reads a message of the journal, with its times of then.
    ///
    /// # Errors
    ///
    /// The first [`Rejection`] found.
    pub fn replayed(message: &Bytes, times: Times) -> Result<Self, Rejection> {
        Self::read(message, &limits_of(times), times.received_us)
    }

    /// Combines a batch of another protocol with `message`, its encoding for the journal.
    pub fn from_batch(message: Bytes, batch: Batch, limits: &Limits, received_us: u64) -> Self {
        Self { message, batch, columns: None, times: times(received_us, limits) }
    }

    /// Message as it was received.
    #[must_use]
    pub fn message(&self) -> &Bytes {
        &self.message
    }

    /// Times of the message.
    #[must_use]
    pub fn times(&self) -> Times {
        self.times
    }

    /// Batch without its single records.
    #[must_use]
    pub fn head(&self) -> &Batch {
        &self.batch
    }

    /// Decodes the columns of single records. `scratch`: memory of the previous batch.
    ///
    /// # Errors
    ///
    /// When the columns cannot be decoded, or have different lengths.
    pub(crate) fn read_records(&mut self, scratch: &mut Vec<Record>) -> Result<&Batch, Rejection> {
        self.decode_columns(scratch)?;
        Ok(&self.batch)
    }

    /// Returns the memory of the records to `scratch`, unless it exceeds [`SCRATCH_RECORDS_MAX`].
    pub(crate) fn recycle(&mut self, scratch: &mut Vec<Record>) {
        let records = std::mem::take(&mut self.batch.records);
        if records.capacity() <= SCRATCH_RECORDS_MAX {
            *scratch = records;
        }
    }

    /// Returns the complete batch.
    ///
    /// # Errors
    ///
    /// When the columns cannot be decoded, or have different lengths.
    pub fn into_batch(mut self) -> Result<Batch, Rejection> {
        self.decode_columns(&mut Vec::new())?;
        Ok(self.batch)
    }

    fn decode_columns(&mut self, scratch: &mut Vec<Record>) -> Result<(), Rejection> {
        let Some(columns) = self.columns.take() else { return Ok(()) };
        let mut records = std::mem::take(scratch);
        if columns.read(&self.message, &mut records).is_none() {
            *scratch = records;
            self.batch = read_with_prost(&self.message, &limits_of(self.times), self.times.received_us)?;
            return Ok(());
        }
        self.batch.records = records;
        Ok(())
    }
}

/// Reads and checks one message. `now_us`: time of receipt, microseconds since the Unix epoch.
///
/// # Errors
///
/// The first [`Rejection`] found.
pub fn read(message: &Bytes, limits: &Limits, now_us: u64) -> Result<Batch, Rejection> {
    RawBatch::read(message, limits, now_us)?.into_batch()
}

/// Returns epoch and sequence of a message, whether or not the rest is valid; `None` where the
/// message has more rows than the limits allow, or is no batch.
#[must_use]
pub fn batch_id(message: &Bytes, limits: &Limits) -> Option<(EpochId, u64)> {
    validate::rows_fit(message, limits).ok()?;
    let v1::Batch { proxy, epoch, sequence, .. } = v1::Batch::decode(&**message).ok()?;
    Some((EpochId { proxy: proxy.into(), epoch }, sequence))
}

/// Reads a message with prost, which covers every case and every rejection.
#[cold]
fn read_with_prost(message: &[u8], limits: &Limits, received_us: u64) -> Result<Batch, Rejection> {
    validate::rows_fit(message, limits)?;
    let batch = v1::Batch::decode(message).map_err(|error| Rejection::Malformed(error.to_string()))?;
    validate::check(batch, limits, received_us)
}

#[cfg(test)]
mod tests;
