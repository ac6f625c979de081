//! Fields of `io.prometheus.client.Metric`.
//!
//! In: values. Out: encoded fields.

use hopscope_core::histogram::Native;
use hopscope_core::metrics::{Exemplar, seconds};
use prost::encoding::{self, WireType, encode_key, encode_varint};

/// Largest value that counts as zero, as in Prometheus' client libraries.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// Writes a label.
pub(super) fn label(name: &str, value: &str, into: &mut Vec<u8>) {
    message(1, into, |into| {
        text(1, name, into);
        text(2, value, into);
    });
}

/// Writes a classic bucket.
pub(super) fn bucket(upper: f64, count: u64, exemplar: Option<Exemplar>, into: &mut Vec<u8>) {
    message(3, into, |into| {
        encoding::uint64::encode(1, &count, into);
        encoding::double::encode(2, &upper, into);
        let Some(Exemplar { request_id_hash, duration_us, ended_us }) = exemplar else { return };
        message(3, into, |into| {
            label("request_id_hash", &format!("{request_id_hash:08x}"), into);
            encoding::double::encode(2, &seconds(duration_us), into);
            timestamp(3, ended_us, into);
        });
    });
}

/// Writes native buckets: spans of consecutive buckets, and each count as difference to the one
/// before.
pub(super) fn native(native: &Native, into: &mut Vec<u8>) {
    encoding::sint32::encode(5, &native.schema, into);
    encoding::double::encode(6, &ZERO_THRESHOLD, into);
    encoding::uint64::encode(7, &native.zero_count, into);
    let (mut before, mut next) = (0_i64, 0_i32);
    let mut deltas = Vec::with_capacity(native.buckets.len());
    for run in native.buckets.chunk_by(|(one, _), (other, _)| one + 1 == *other) {
        let start = run.first().map_or(next, |(index, _)| *index);
        message(12, into, |into| {
            encoding::sint32::encode(1, &(start - next), into);
            encoding::uint32::encode(2, &u32::try_from(run.len()).unwrap_or(u32::MAX), into);
        });
        next = start + i32::try_from(run.len()).unwrap_or(i32::MAX);
        for (_, count) in run {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            deltas.push(count - before);
            before = count;
        }
    }
    encoding::sint64::encode_packed(13, &deltas, into);
}

/// Writes a time.
pub(super) fn timestamp(field: u32, us: u64, into: &mut Vec<u8>) {
    message(field, into, |into| {
        encoding::int64::encode(1, &i64::try_from(us / 1_000_000).unwrap_or(i64::MAX), into);
        encoding::int32::encode(2, &i32::try_from(us % 1_000_000 * 1_000).unwrap_or(0), into);
    });
}

/// Writes a text.
pub(super) fn text(field: u32, value: &str, into: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, into);
    encode_varint(value.len() as u64, into);
    into.extend_from_slice(value.as_bytes());
}

/// Writes a nested message. Its length is inserted afterwards; nearly all messages are shorter than
/// 128 bytes, so that their length takes the one byte that is reserved for it.
fn message(field: u32, into: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(field, WireType::LengthDelimited, into);
    let start = into.len();
    into.push(0);
    write(into);
    let length = into.len() - start - 1;
    match (u8::try_from(length), into.get_mut(start)) {
        (Ok(short @ ..0x80), Some(first)) => *first = short,
        _ => {
            let mut prefix = Vec::new();
            encode_varint(length as u64, &mut prefix);
            into.splice(start..=start, prefix);
        }
    }
}
