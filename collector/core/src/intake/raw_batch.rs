//! A message between the door and the rooms.
//!
//! In: a message as it was received. Out: its batch, whole, before the rooms. Always holds: all but its single records is
//! read and checked before it is let in; those are read when they are counted, in memory that the last message used, since what
//! waits for the disk is to be small enough for a cache; a start that takes it up again judges it as it was judged first.

use super::decode::{self, Columns};
use super::reject::Rejection;
use super::validate::{self, Limits};
use crate::batch::{Batch, EpochId, Record};
use hopscope_proto::v1;
use prost::Message;
use prost::bytes::Bytes;

pub use crate::batch::Times;

impl Times {
    fn new(received_us: u64, limits: &Limits) -> Self {
        Self {
            received_us,
            first_us: received_us.saturating_sub(limits.age_us_max),
            last_us: received_us.saturating_add(limits.ahead_us_max),
        }
    }

    /// Limits that let in whatever is of these times: what was let in once is taken up, whatever the door lets in today.
    fn limits(&self) -> Limits {
        Limits {
            strings_max: usize::MAX,
            rows_max: usize::MAX,
            records_max: usize::MAX,
            ahead_us_max: self.last_us.saturating_sub(self.received_us),
            age_us_max: self.received_us.saturating_sub(self.first_us),
        }
    }
}

/// Memory for so many records, about a megabyte, is kept from one message to the next.
const SCRATCH_RECORDS_MAX: usize = 16_384;

/// A message that is let in.
#[derive(Debug)]
pub struct RawBatch {
    message: Bytes,
    batch: Batch,
    /// Where its records are not read yet.
    columns: Option<Columns>,
    times: Times,
}

impl RawBatch {
    /// Reads a message, and checks all but its single records.
    ///
    /// # Errors
    ///
    /// The first [`Rejection`] found.
    pub fn read(message: &Bytes, limits: &Limits, received_us: u64) -> Result<Self, Rejection> {
        let times = Times::new(received_us, limits);
        let (batch, columns) = match decode::read(message, limits, received_us) {
            Some(read) => read,
            None => (slowly(message, limits, received_us)?, None),
        };
        Ok(Self { message: message.clone(), batch, columns, times })
    }

    /// One that comes from the journal.
    ///
    /// # Errors
    ///
    /// The first [`Rejection`] found.
    pub fn again(message: &Bytes, times: Times) -> Result<Self, Rejection> {
        Self::read(message, &times.limits(), times.received_us)
    }

    /// One whose batch was made otherwise; `message` is what a start would read.
    pub fn made(message: Bytes, batch: Batch, limits: &Limits, received_us: u64) -> Self {
        Self { message, batch, columns: None, times: Times::new(received_us, limits) }
    }

    /// As it was received.
    #[must_use]
    pub fn message(&self) -> &Bytes {
        &self.message
    }

    /// When that was.
    #[must_use]
    pub fn times(&self) -> Times {
        self.times
    }

    /// All but its records.
    #[must_use]
    pub fn head(&self) -> &Batch {
        &self.batch
    }

    /// Decodes the columns of single records. `scratch`: memory for them, taken from the last batch.
    ///
    /// # Errors
    ///
    /// The first [`Rejection`] of a record.
    pub(crate) fn read_records(&mut self, scratch: &mut Vec<Record>) -> Result<&Batch, Rejection> {
        self.whole(scratch)?;
        Ok(&self.batch)
    }

    /// Gives the memory of the records back, unless it is larger than [`SCRATCH_RECORDS_MAX`].
    pub(crate) fn recycle(&mut self, scratch: &mut Vec<Record>) {
        let records = std::mem::take(&mut self.batch.records);
        if records.capacity() <= SCRATCH_RECORDS_MAX {
            *scratch = records;
        }
    }

    /// The whole batch.
    ///
    /// # Errors
    ///
    /// When one of its records breaks a rule.
    pub fn into_report(mut self) -> Result<Batch, Rejection> {
        self.whole(&mut Vec::new())?;
        Ok(self.batch)
    }

    fn whole(&mut self, room: &mut Vec<Record>) -> Result<(), Rejection> {
        let Some(columns) = self.columns.take() else { return Ok(()) };
        let mut records = std::mem::take(room);
        if columns.read(&self.message, &mut records).is_none() {
            *room = records;
            self.batch = slowly(&self.message, &self.times.limits(), self.times.received_us)?;
            return Ok(());
        }
        self.batch.records = records;
        Ok(())
    }
}

/// Reads and checks one message. `now_us`: when it was received, microseconds since the Unix epoch.
///
/// # Errors
///
/// The first [`Rejection`] found.
pub fn read(message: &Bytes, limits: &Limits, now_us: u64) -> Result<Batch, Rejection> {
    RawBatch::read(message, limits, now_us)?.into_report()
}

/// Which batch a message is, whatever else it says; `None` where it has more rows than may be decoded, or is none.
#[must_use]
pub fn name(message: &Bytes, limits: &Limits) -> Option<(EpochId, u64)> {
    validate::rows_fit(message, limits).ok()?;
    let v1::Batch { proxy, epoch, sequence, .. } = v1::Batch::decode(&**message).ok()?;
    Some((EpochId { proxy: proxy.into(), epoch }, sequence))
}

/// Reads a message as prost does, which knows every case and every refusal.
#[cold]
fn slowly(message: &[u8], limits: &Limits, received_us: u64) -> Result<Batch, Rejection> {
    validate::rows_fit(message, limits)?;
    let batch = v1::Batch::decode(message).map_err(|error| Rejection::Malformed(error.to_string()))?;
    validate::check(batch, limits, received_us)
}

#[cfg(test)]
mod tests;
