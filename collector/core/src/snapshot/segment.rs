//! Segment: a file of frames.
//!
//! In: the bytes of one file. Out: its entries in order, and the damaged ranges between them.
//! Invariant: damage costs only the frames that it touches; an incomplete end is distinguished from
//! damage before it; no input causes a panic.
//!
//! Layout, little-endian: `HOPJ`, format version (u32), CRC-32 of both (u32), then frames.

use super::frame::{self, Entry, Found};

/// Bytes before the first frame.
pub const HEAD_BYTES: usize = 12;
const MAGIC: [u8; 4] = *b"HOPJ";
/// Version of the layout of segments and frames.
pub const VERSION: u32 = 3;

/// Error for a segment of a version that this hopscope does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its format version is {found}, and this hopscope reads {VERSION}")]
pub struct UnknownVersion {
    /// Version of the segment.
    pub found: u32,
}

/// Head of a segment.
#[must_use]
pub fn head() -> [u8; HEAD_BYTES] {
    head_of(VERSION)
}

fn head_of(version: u32) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(&MAGIC);
    head[4..8].copy_from_slice(&version.to_le_bytes());
    let checksum = crc32fast::hash(&head[..8]);
    head[8..].copy_from_slice(&checksum.to_le_bytes());
    head
}

/// One step through a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// An entry.
    Entry(Entry<'a>),
    /// Damaged bytes before further entries: the first, and the one after the last.
    Corrupt(usize, usize),
    /// An incomplete entry at the end; the segment is valid up to this byte.
    Torn(usize),
}

/// Iterates over the bytes of segment `number`.
///
/// # Errors
///
/// [`UnknownVersion`]. A damaged head is a [`Step::Corrupt`]; its frames are read as frames of
/// [`VERSION`].
pub fn scan(bytes: &[u8], number: u64) -> Result<Scan<'_>, UnknownVersion> {
    let head_is_good = bytes.starts_with(&head());
    if let Some(head) = bytes.first_chunk::<HEAD_BYTES>()
        && !head_is_good
    {
        let found = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if *head == head_of(found) {
            return Err(UnknownVersion { found });
        }
    }
    let start = if head_is_good { HEAD_BYTES } else { 0 };
    Ok(Scan { bytes, number, at: start })
}

/// Iterator over the steps of a segment, made by [`scan`].
#[derive(Debug)]
pub struct Scan<'a> {
    bytes: &'a [u8],
    number: u64,
    at: usize,
}

impl<'a> Iterator for Scan<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let start = self.at;
        loop {
            let found = match self.at < self.bytes.len() {
                true => frame::read(self.bytes, self.number, self.at),
                false if start == self.at => return None,
                false => return Some(Step::Torn(start)),
            };
            match found {
                Found::Entry(entry, end) if start == self.at => {
                    self.at = end;
                    return Some(Step::Entry(entry));
                }
                Found::Entry(..) => return Some(Step::Corrupt(start, self.at)),
                Found::Damaged(end) => self.at = end,
                Found::Nothing => {
                    let next = frame::next(self.bytes, self.number, self.at.saturating_add(1));
                    self.at = next.unwrap_or(self.bytes.len());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
