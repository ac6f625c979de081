//! One entry of the journal as bytes.
//!
//! In: an entry and its place. Out: a frame, and back. Always holds: a frame is valid at its own place only, so that bytes
//! that merely look like one, in a batch's texts say, are never taken for it; damage to its head and damage to its body
//! are told apart, since after a good head the next frame is known.
//!
//! Layout, little-endian: marker (4 bytes), length of the body (u32), CRC-32 of place, marker and length (u32), CRC-32 of
//! the body (u32), body. The body is a kind (u8), a time (u64, microseconds since the Unix epoch), and for a batch two more times,
//! between which its requests may lie, and its bytes as they were received.

use crate::snapshot::times::Times;
use std::ops::Range;

/// Bytes of a frame before its body.
pub const HEAD_BYTES: usize = 16;
/// Bytes of the checksum of a body, which stand before it.
const CHECKSUM_BYTES: usize = 4;
/// Bytes of the shortest body: kind and time.
const BODY_BYTES_MIN: usize = 9;
/// Bytes of the two times that stand before a batch.
const WINDOW_BYTES: usize = 16;
/// No body is longer: the largest message that a door may be told to take, and some room.
const BODY_BYTES_MAX: usize = (64 << 20) + 1024;
const MARKER: [u8; 4] = [0xf5, b'H', b'J', 0x0a];

const BATCH: u8 = 1;
const TICK: u8 = 2;

/// What the rooms are told, in the order in which they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A batch as it was received, and when.
    Batch {
        /// When it was received, and when its requests may have been.
        times: Times,
        /// `hopscope.v1.Batch`, encoded.
        message: &'a [u8],
    },
    /// Time passed: it is now so many microseconds since the Unix epoch.
    Tick(u64),
}

/// Where a frame stands: the number of its segment and its first byte in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the segment.
    pub segment: u64,
    /// Byte within the segment.
    pub offset: u64,
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// A frame, and the byte after it.
    Entry(Entry<'a>, usize),
    /// A frame whose body is damaged or cut off, and the byte after it.
    Damaged(usize),
    /// No frame.
    Nothing,
}

/// Appends a frame. Returns `false`, and appends nothing, when the batch is larger than any door lets in.
pub fn write(entry: Entry<'_>, place: Place, to: &mut Vec<u8>) -> bool {
    let (kind, time_us, window, message) = match entry {
        Entry::Batch { times: Times { received_us, first_us, last_us }, message } => {
            (BATCH, received_us, &[first_us, last_us][..], message)
        }
        Entry::Tick(now_us) => (TICK, now_us, &[][..], [].as_slice()),
    };
    let length = message.len().saturating_add(BODY_BYTES_MIN + size_of_val(window));
    let Some(length) = u32::try_from(length).ok().filter(|_| length <= BODY_BYTES_MAX) else { return false };
    to.extend_from_slice(&MARKER);
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(&head_checksum(place, length).to_le_bytes());
    let checksum = to.len();
    to.extend_from_slice(&[0; CHECKSUM_BYTES]);
    let body = to.len();
    to.push(kind);
    to.extend_from_slice(&time_us.to_le_bytes());
    window.iter().for_each(|time_us| to.extend_from_slice(&time_us.to_le_bytes()));
    to.extend_from_slice(message);
    // In one piece: a short one before it would be summed up byte by byte.
    let sum = crc32fast::hash(to.get(body..).unwrap_or_default());
    if let Some(room) = to.get_mut(checksum..body) {
        room.copy_from_slice(&sum.to_le_bytes());
    }
    true
}

/// What stands at byte `at` of a segment.
#[must_use]
pub fn read(bytes: &[u8], segment: u64, at: usize) -> Found<'_> {
    let Some((length, checksum)) = head(bytes, segment, at) else { return Found::Nothing };
    let start = at.saturating_add(HEAD_BYTES);
    let end = start.saturating_add(length);
    match bytes.get(start..end).filter(|body| crc32fast::hash(body) == checksum).and_then(entry) {
        Some(entry) => Found::Entry(entry, end),
        None => Found::Damaged(end.min(bytes.len())),
    }
}

/// The first byte from `at` on where a frame begins.
#[must_use]
pub fn next(bytes: &[u8], segment: u64, at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let places = rest.windows(MARKER.len()).enumerate().filter(|(_, window)| *window == MARKER);
    places.map(|(place, _)| at.saturating_add(place)).find(|at| head(bytes, segment, *at).is_some())
}

/// Length and checksum of the body of the frame at a place.
fn head(bytes: &[u8], segment: u64, at: usize) -> Option<(usize, u32)> {
    let head = bytes.get(at..at.checked_add(HEAD_BYTES)?)?;
    let word = |range: Range<usize>| head.get(range)?.first_chunk().copied().map(u32::from_le_bytes);
    let length = word(4..8)?;
    let place = Place { segment, offset: at as u64 };
    let holds = head.starts_with(&MARKER) && word(8..12)? == head_checksum(place, length);
    let body = usize::try_from(length).ok()?;
    (holds && (BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&body)).then_some((body, word(12..16)?))
}

fn head_checksum(place: Place, length: u32) -> u32 {
    let mut head = [0; 24];
    let Place { segment, offset } = place;
    let parts: [&[u8]; 4] = [&segment.to_le_bytes(), &offset.to_le_bytes(), &MARKER, &length.to_le_bytes()];
    head.iter_mut().zip(parts.into_iter().flatten()).for_each(|(into, byte)| *into = *byte);
    crc32fast::hash(&head)
}

fn entry(body: &[u8]) -> Option<Entry<'_>> {
    let (&kind, rest) = body.split_first()?;
    let (time, rest) = rest.split_first_chunk()?;
    let time_us = u64::from_le_bytes(*time);
    match kind {
        BATCH => {
            let (window, message) = rest.split_first_chunk::<WINDOW_BYTES>()?;
            let ([first, last], _) = window.as_chunks() else { return None };
            let (first_us, last_us) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
            Some(Entry::Batch { times: Times { received_us: time_us, first_us, last_us }, message })
        }
        TICK if rest.is_empty() => Some(Entry::Tick(time_us)),
        _ => None,
    }
}
