//! Frame: one entry of the journal as bytes.
//!
//! In: an entry and its position. Out: a frame, and back. Invariant: a frame is valid at its own
//! position only, so that bytes that look like a frame (in the strings of a batch, say) are never
//! read as one. Damage to the head and damage to the body are distinguished, because a good head
//! gives the position of the next frame.
//!
//! Layout, little-endian: marker (4 bytes), length of the body (u32), CRC-32 of position, marker
//! and length (u32), CRC-32 of the body (u32), body. The body is a kind (u8), a time (u64,
//! microseconds since the Unix epoch), and by kind:
//!
//! | kind | entry | rest of the body |
//! | --- | --- | --- |
//! | 1 | batch | earliest end (u64) and latest start (u64) of its requests, the message as received |
//! | 2 | tick | |
//! | 3 | end of an epoch | epoch (u64), name of the proxy |
//! | 4 | limits | limits of the engine, encoded |

pub use super::times::Times;
use std::ops::Range;

/// Bytes of a frame before its body.
pub const HEAD_BYTES: usize = 16;
/// Bytes of the checksum of a body, which precedes the body.
const CHECKSUM_BYTES: usize = 4;
/// Bytes of the shortest body: kind and time.
const BODY_BYTES_MIN: usize = 9;
/// Bytes of a number.
const NUMBER_BYTES: usize = 8;
/// Bytes of the longest body: the largest message size that can be configured, and the fields of a
/// batch.
const BODY_BYTES_MAX: usize = (64 << 20) + 1024;
const MARKER: [u8; 4] = [0xf5, b'H', b'J', 0x0a];

const BATCH: u8 = 1;
const TICK: u8 = 2;
const END_EPOCH: u8 = 3;
const LIMITS: u8 = 4;

/// Entry of the journal: one change of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A batch as it was received.
    Batch {
        /// Times of the batch.
        times: Times,
        /// `hopscope.v1.Batch`, encoded.
        message: &'a [u8],
    },
    /// A tick at this time, microseconds since the Unix epoch.
    Tick(u64),
    /// The end of an epoch.
    EndEpoch {
        /// Time of the end, microseconds since the Unix epoch.
        now_us: u64,
        /// Name of the proxy.
        proxy: &'a str,
        /// Epoch of the proxy.
        epoch: u64,
    },
    /// Limits of the engine from here on.
    SetLimits {
        /// Time of the change, microseconds since the Unix epoch.
        now_us: u64,
        /// Encoded limits.
        limits: &'a [u8],
    },
}

/// Position of a frame: its segment and its first byte in that segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the segment.
    pub segment: u64,
    /// Byte within the segment.
    pub offset: u64,
}

/// Content at a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// An entry, and the byte after its frame.
    Entry(Entry<'a>, usize),
    /// A frame with a damaged or incomplete body, and the byte after the frame.
    Damaged(usize),
    /// No frame.
    Nothing,
}

/// Upper bound on the bytes of the frame of an entry.
#[must_use]
pub fn bytes_max(entry: Entry<'_>) -> usize {
    HEAD_BYTES.saturating_add(body_bytes(entry))
}

/// Appends a frame. Returns `false`, and appends nothing, when the batch is larger than any
/// configured message size.
pub fn write(entry: Entry<'_>, position: Position, to: &mut Vec<u8>) -> bool {
    let length = body_bytes(entry);
    let Some(length) = u32::try_from(length).ok().filter(|_| length <= BODY_BYTES_MAX) else { return false };
    to.extend_from_slice(&MARKER);
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(&head_checksum(position, length).to_le_bytes());
    let checksum = to.len();
    to.extend_from_slice(&[0; CHECKSUM_BYTES]);
    let body = to.len();
    write_body(entry, to);
    // One call over the whole body: a short call before it would run byte by byte.
    let sum = crc32fast::hash(to.get(body..).unwrap_or_default());
    if let Some(field) = to.get_mut(checksum..body) {
        field.copy_from_slice(&sum.to_le_bytes());
    }
    true
}

fn body_bytes(entry: Entry<'_>) -> usize {
    let rest = match entry {
        Entry::Batch { message, .. } => message.len().saturating_add(2 * NUMBER_BYTES),
        Entry::Tick(_) => 0,
        Entry::EndEpoch { proxy, .. } => proxy.len().saturating_add(NUMBER_BYTES),
        Entry::SetLimits { limits, .. } => limits.len(),
    };
    rest.saturating_add(BODY_BYTES_MIN)
}

fn write_body(entry: Entry<'_>, to: &mut Vec<u8>) {
    let (kind, time_us) = match entry {
        Entry::Batch { times, .. } => (BATCH, times.received_us),
        Entry::Tick(now_us) => (TICK, now_us),
        Entry::EndEpoch { now_us, .. } => (END_EPOCH, now_us),
        Entry::SetLimits { now_us, .. } => (LIMITS, now_us),
    };
    to.push(kind);
    to.extend_from_slice(&time_us.to_le_bytes());
    match entry {
        Entry::Batch { times, message } => {
            to.extend_from_slice(&times.first_us.to_le_bytes());
            to.extend_from_slice(&times.last_us.to_le_bytes());
            to.extend_from_slice(message);
        }
        Entry::Tick(_) => {}
        Entry::EndEpoch { proxy, epoch, .. } => {
            to.extend_from_slice(&epoch.to_le_bytes());
            to.extend_from_slice(proxy.as_bytes());
        }
        Entry::SetLimits { limits, .. } => to.extend_from_slice(limits),
    }
}

/// Reads the frame at byte `at` of a segment.
#[must_use]
pub fn read(bytes: &[u8], segment: u64, at: usize) -> Found<'_> {
    let Some((length, checksum)) = head(bytes, segment, at) else { return Found::Nothing };
    let start = at.saturating_add(HEAD_BYTES);
    let end = start.saturating_add(length);
    match bytes.get(start..end).filter(|body| crc32fast::hash(body) == checksum).and_then(read_body) {
        Some(entry) => Found::Entry(entry, end),
        None => Found::Damaged(end.min(bytes.len())),
    }
}

/// Returns the first byte from `at` on where a frame begins.
#[must_use]
pub fn next(bytes: &[u8], segment: u64, at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let markers = rest.windows(MARKER.len()).enumerate().filter(|(_, window)| *window == MARKER);
    markers.map(|(offset, _)| at.saturating_add(offset)).find(|at| head(bytes, segment, *at).is_some())
}

/// Length and checksum of the body of the frame at a position.
fn head(bytes: &[u8], segment: u64, at: usize) -> Option<(usize, u32)> {
    let head = bytes.get(at..at.checked_add(HEAD_BYTES)?)?;
    let word = |range: Range<usize>| head.get(range)?.first_chunk().copied().map(u32::from_le_bytes);
    let length = word(4..8)?;
    let position = Position { segment, offset: at as u64 };
    let is_valid = head.starts_with(&MARKER) && word(8..12)? == head_checksum(position, length);
    let body = usize::try_from(length).ok()?;
    (is_valid && (BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&body)).then_some((body, word(12..16)?))
}

fn head_checksum(position: Position, length: u32) -> u32 {
    let mut head = [0; 24];
    let Position { segment, offset } = position;
    let parts: [&[u8]; 4] = [&segment.to_le_bytes(), &offset.to_le_bytes(), &MARKER, &length.to_le_bytes()];
    head.iter_mut().zip(parts.into_iter().flatten()).for_each(|(into, byte)| *into = *byte);
    crc32fast::hash(&head)
}

fn read_body(body: &[u8]) -> Option<Entry<'_>> {
    let (&kind, rest) = body.split_first()?;
    let (now_us, rest) = read_number(rest)?;
    match kind {
        BATCH => {
            let (first_us, rest) = read_number(rest)?;
            let (last_us, message) = read_number(rest)?;
            Some(Entry::Batch { times: Times { received_us: now_us, first_us, last_us }, message })
        }
        TICK if rest.is_empty() => Some(Entry::Tick(now_us)),
        END_EPOCH => {
            let (epoch, proxy) = read_number(rest)?;
            Some(Entry::EndEpoch { now_us, proxy: std::str::from_utf8(proxy).ok()?, epoch })
        }
        LIMITS => Some(Entry::SetLimits { now_us, limits: rest }),
        _ => None,
    }
}

fn read_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}
