//! Decoder of the columns of single records.
//!
//! In: the encoded columns, and the values that they are validated against.
//! Out: records.
//! Invariant: each column is read once and completely; a record satisfies the rules of the
//! validator.

use super::varints::{self, Numbers};
use super::wire::{self, Cursor, Value};
use crate::batch::Record;
use crate::intake::validate::DURATION_US_MAX;

/// Values that records are validated against.
#[derive(Debug)]
pub(super) struct Rows {
    /// Number of records.
    pub(super) count: usize,
    pub(super) edges: usize,
    pub(super) outcomes: usize,
    pub(super) base_us: u64,
    /// Latest accepted start.
    pub(super) last_us: u64,
    /// Earliest accepted end.
    pub(super) first_us: u64,
}

/// Number of columns.
const COLUMNS: usize = 8;

/// Returns the number of records; `None` for inconsistent columns or too many records.
pub(super) fn count(bytes: &[u8], records_max: usize) -> Option<usize> {
    let [edge, .., hash, _] = columns(bytes)?;
    let count = varints::count(edge.unwrap_or_default());
    let is_whole = count <= records_max && count.checked_mul(4)? == hash.map_or(0, <[u8]>::len);
    is_whole.then_some(count)
}

/// Splits the message into its columns.
fn columns(bytes: &[u8]) -> Option<[Option<&[u8]>; COLUMNS]> {
    let mut columns: [Option<&[u8]>; COLUMNS] = [None; COLUMNS];
    let mut fields = Cursor::new(bytes);
    while let Some((number, value)) = fields.field()? {
        let Some(column) = (number as usize).checked_sub(1).and_then(|index| columns.get_mut(index)) else {
            continue;
        };
        // Protobuf also allows repeated or unpacked columns; clients do not send them.
        let Value::Bytes(value) = value else { return None };
        if column.replace(value).is_some() {
            return None;
        }
    }
    Some(columns)
}

/// Decodes all columns into `records`.
pub(super) fn read(bytes: &[u8], rows: &Rows, records: &mut Vec<Record>) -> Option<()> {
    let [edge, outcome, start, duration, request, response, hash, attempts] = columns(bytes)?;
    records.clear();
    records.resize(rows.count, Record { attempts: 1, ..Record::default() });
    column(records, edge, |record, number| {
        record.edge = index(number, rows.edges)?;
        Some(())
    })?;
    column(records, outcome, |record, number| {
        record.outcome = index(number, rows.outcomes)?;
        Some(())
    })?;
    let mut start_us = rows.base_us;
    column(records, start, |record, number| {
        start_us = start_us.checked_add_signed(wire::signed(number))?;
        record.start_us = start_us;
        (start_us <= rows.last_us).then_some(())
    })?;
    column(records, duration, |record, duration_us| {
        record.duration_us = duration_us;
        let in_time = record.start_us.saturating_add(duration_us) >= rows.first_us;
        (in_time && duration_us < DURATION_US_MAX).then_some(())
    })?;
    column(records, request, |record, bytes| {
        record.request_bytes = bytes;
        Some(())
    })?;
    column(records, response, |record, bytes| {
        record.response_bytes = bytes;
        Some(())
    })?;
    let (hashes, _) = hash.unwrap_or_default().as_chunks();
    for (record, hash) in records.iter_mut().zip(hashes) {
        record.request_id_hash = u32::from_le_bytes(*hash);
    }
    // The column of attempts is omitted when every entry is 1.
    if attempts.is_some_and(|attempts| !attempts.is_empty()) {
        column(records, attempts, |record, number| {
            record.attempts = number as u32;
            Some(())
        })?;
    }
    Some(())
}

/// Sets a field of each record from a column. Returns `None` when the column has more or fewer
/// numbers than there are records.
#[inline]
fn column(
    records: &mut [Record],
    column: Option<&[u8]>,
    mut set: impl FnMut(&mut Record, u64) -> Option<()>,
) -> Option<()> {
    let bytes = column.unwrap_or_default();
    if bytes.len() == records.len() {
        // One byte per number, as in most columns of indexes.
        for (record, byte) in records.iter_mut().zip(bytes) {
            let number = Some(*byte).filter(|byte| *byte < 0x80)?;
            set(record, number.into())?;
        }
        return Some(());
    }
    let mut numbers = Numbers::new(bytes);
    for record in records {
        set(record, numbers.next()?)?;
    }
    numbers.is_empty().then_some(())
}

/// Converts an index of the wire format, which has 32 bits, and checks it against its table.
fn index(number: u64, size: usize) -> Option<usize> {
    Some(number as u32 as usize).filter(|index| *index < size)
}
