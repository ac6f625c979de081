//! The figures of a batch's records, column by column, as protobuf packs them.
//!
//! In: records in their order. Out: the bytes of `v1::Records`. Always holds: they are what prost would write; a test keeps
//! it. It is written out since it runs for every request: prost takes three passes over a column and checks for room with
//! each byte, five times the instructions.

use crate::batch::encode::{EncodedMessage, put, zigzag};
use crate::record::RequestStats;

/// Columns of varying width: all but the hashes.
const COLUMNS: usize = 7;

/// One row of them: edge, outcome, figures.
pub type Row = (u32, u32, RequestStats);

/// The bytes of all rows.
#[must_use]
pub fn pack(rows: &[Row], base_us: u64) -> EncodedMessage {
    let mut columns: [Vec<u8>; COLUMNS] =
        std::array::from_fn(|_| Vec::with_capacity(rows.len().saturating_mul(2)));
    let mut hashes = Vec::with_capacity(rows.len());
    let mut before_us = base_us;
    for (edge, outcome, stats) in rows {
        let figures = [
            u64::from(*edge),
            u64::from(*outcome),
            zigzag(super::batch::delta(stats.start_us, before_us)),
            stats.duration_us,
            stats.request_bytes,
            stats.response_bytes,
            u64::from(stats.attempts),
        ];
        for (column, figure) in columns.iter_mut().zip(figures) {
            put(column, figure);
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
