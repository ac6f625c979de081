//! The columns of a batch's records, packed as protobuf packs them.
//!
//! In: rows in their order. Out: the bytes of `v1::Records`.
//! Invariant: the bytes equal those of prost, which a test checks. The encoder is written by hand
//! because it runs for every request: prost reads a column three times and checks the capacity for
//! each byte, at five times the instructions.

use super::encode::{EncodedMessage, put, zigzag};
use crate::record::RequestStats;

/// Columns of varints: all but the hashes.
const COLUMNS: usize = 7;

/// One row: the indexes of edge and outcome, and the numbers.
pub(super) type Row = (u32, u32, RequestStats);

/// Encodes all rows.
pub(super) fn pack(rows: &[Row], base_us: u64) -> EncodedMessage {
    let mut columns: [Vec<u8>; COLUMNS] =
        std::array::from_fn(|_| Vec::with_capacity(rows.len().saturating_mul(2)));
    let mut hashes = Vec::with_capacity(rows.len());
    let mut before_us = base_us;
    for (edge, outcome, stats) in rows {
        let numbers = [
            u64::from(*edge),
            u64::from(*outcome),
            zigzag(delta(stats.start_us, before_us)),
            stats.duration_us,
            stats.request_bytes,
            stats.response_bytes,
            u64::from(stats.attempts),
        ];
        for (column, number) in columns.iter_mut().zip(numbers) {
            put(column, number);
        }
        hashes.push(stats.request_id_hash.to_le_bytes());
        before_us = stats.start_us;
    }
    let mut packed = EncodedMessage::default();
    let [before_hashes @ .., attempts] = &mut columns;
    if attempts.iter().all(|attempts| *attempts == 1) {
        attempts.clear();
    }
    // The fields of `v1::Records` are numbered in this order.
    let hashes = hashes.as_flattened();
    let columns = before_hashes.iter().map(Vec::as_slice).chain([hashes, attempts.as_slice()]);
    for (field, column) in (1..).zip(columns) {
        if !column.is_empty() {
            packed.bytes(field, column);
        }
    }
    packed
}

/// Returns a time as the contract encodes it, relative to another.
pub(super) fn delta(time_us: u64, base_us: u64) -> i64 {
    time_us.wrapping_sub(base_us).cast_signed()
}
