//! The columns of single records.
//!
//! In: the encoded columns, and what they are checked against. Out: records. Always holds: each column is read once, from its
//! first byte to its last; a record that comes out keeps the rules of the check.

use super::varints::{self, Numbers};
use super::wire::{self, Cursor, Value};
use crate::batch::Record;
use crate::intake::validate::DURATION_US_MAX;

/// What records are checked against.
#[derive(Debug)]
pub(super) struct Rows {
    /// So many there are.
    pub(super) count: usize,
    pub(super) edges: usize,
    pub(super) outcomes: usize,
    pub(super) base_us: u64,
    /// Nothing begins later.
    pub(super) last_us: u64,
    /// Nothing ended earlier.
    pub(super) first_us: u64,
}

/// Columns there are.
const COLUMNS: usize = 8;

/// How many records there are.
pub(super) fn count(bytes: &[u8], records_max: usize) -> Option<usize> {
    let [edge, .., hash, _] = columns(bytes)?;
    let count = varints::count(edge.unwrap_or_default());
    let is_whole = count <= records_max && count.checked_mul(4)? == hash.map_or(0, <[u8]>::len);
    is_whole.then_some(count)
}

/// Finds all columns.
fn columns(bytes: &[u8]) -> Option<[Option<&[u8]>; COLUMNS]> {
    let mut columns: [Option<&[u8]>; COLUMNS] = [None; COLUMNS];
    let mut fields = Cursor::new(bytes);
    while let Some((number, value)) = fields.field()? {
        let Some(column) = (number as usize).checked_sub(1).and_then(|place| columns.get_mut(place)) else {
            continue;
        };
        // Twice, or number by number: protobuf allows it, and no writer does it.
        let Value::Bytes(value) = value else { return None };
        if column.replace(value).is_some() {
            return None;
        }
    }
    Some(columns)
}

/// Reads all columns.
pub(super) fn read(bytes: &[u8], rows: &Rows, records: &mut Vec<Record>) -> Option<()> {
    let [edge, outcome, start, duration, request, response, hash, attempts] = columns(bytes)?;
    records.clear();
    records.resize(rows.count, Record { attempts: 1, ..Record::default() });
    column(records, edge, |record, number| {
        record.edge = place(number, rows.edges)?;
        Some(())
    })?;
    column(records, outcome, |record, number| {
        record.outcome = place(number, rows.outcomes)?;
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
    // The column of attempts is left out when every entry is 1.
    if attempts.is_some_and(|attempts| !attempts.is_empty()) {
        column(records, attempts, |record, number| {
            record.attempts = number as u32;
            Some(())
        })?;
    }
    Some(())
}

/// Gives each record its number of a column; nothing when there are more or less of them.
#[inline]
fn column(
    records: &mut [Record],
    column: Option<&[u8]>,
    mut put: impl FnMut(&mut Record, u64) -> Option<()>,
) -> Option<()> {
    let bytes = column.unwrap_or_default();
    if bytes.len() == records.len() {
        // As most columns of places are: numbers of one byte.
        for (record, byte) in records.iter_mut().zip(bytes) {
            let number = Some(*byte).filter(|byte| *byte < 0x80)?;
            put(record, number.into())?;
        }
        return Some(());
    }
    let mut numbers = Numbers::new(bytes);
    for record in records {
        put(record, numbers.next()?)?;
    }
    numbers.is_empty().then_some(())
}

/// An index of the wire, which has 32 bits there.
fn place(number: u64, size: usize) -> Option<usize> {
    Some(number as u32 as usize).filter(|place| *place < size)
}
