//! The figures of a batch's records, column by column, as protobuf packs them.
//!
//! In: records in their order. Out: the bytes of `v1::Records`. Always holds: they are what prost would write; a test keeps
//! it. It is written out since it runs for every request: prost takes three passes over a column and checks for room with
//! each byte, five times the instructions.

use crate::record::Measure;

/// Columns of varying width: all but the hashes.
const COLUMNS: usize = 7;
/// Wire type of what has a length.
const LENGTH_DELIMITED: u8 = 2;

/// One row of them: edge, outcome, figures.
pub type Row = (u32, u32, Measure);

/// The bytes of all rows.
#[must_use]
pub fn pack(rows: &[Row], base_us: u64) -> Vec<u8> {
    let mut columns: [Vec<u8>; COLUMNS] =
        std::array::from_fn(|_| Vec::with_capacity(rows.len().saturating_mul(2)));
    let mut hashes = Vec::with_capacity(rows.len());
    let mut before_us = base_us;
    for (edge, outcome, measure) in rows {
        let figures = [
            u64::from(*edge),
            u64::from(*outcome),
            zigzag(super::batch::delta(measure.start_us, before_us)),
            measure.duration_us,
            measure.request_bytes,
            measure.response_bytes,
            u64::from(measure.attempts),
        ];
        for (column, figure) in columns.iter_mut().zip(figures) {
            put(column, figure);
        }
        hashes.push(measure.request_id_hash.to_le_bytes());
        before_us = measure.start_us;
    }
    let mut packed = Vec::new();
    let [before_hashes @ .., attempts] = &mut columns;
    if attempts.iter().all(|attempts| *attempts == 1) {
        attempts.clear();
    }
    // The fields of `v1::Records` are numbered in this order.
    let hashes = hashes.as_flattened();
    let columns = before_hashes.iter().map(Vec::as_slice).chain([hashes, attempts.as_slice()]);
    for (field, column) in (1..).zip(columns) {
        if !column.is_empty() {
            append(&mut packed, field, column);
        }
    }
    packed
}

/// Appends a field that is made of bytes.
pub fn append(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(field << 3 | LENGTH_DELIMITED);
    put(message, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    message.extend_from_slice(bytes);
}

/// Appends a number, seven bits to a byte, the lowest first.
fn put(column: &mut Vec<u8>, mut figure: u64) {
    while figure > 0x7f {
        column.push(figure.to_le_bytes()[0] | 0x80);
        figure >>= 7;
    }
    column.push(figure.to_le_bytes()[0]);
}

/// Small numbers of either sign become small ones.
fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}
