//! Byte encoding of numbers and texts, written piece by piece.
//!
//! Invariant: a number takes 1 to 10 bytes (LEB128). A text is written once and then referred to by
//! number, so that reading restores shared texts. A length that was read never decides an
//! allocation.

use crate::snapshot::Unreadable;
use crate::text::Text;
use std::collections::HashMap;

/// Largest size of an encoded number.
const NUMBER_BYTES_MAX: usize = 10;

/// Size at which a piece is passed on. A piece is larger by at most one value.
pub const PIECE_BYTES: usize = 256 << 10;

/// Consecutive part of the written bytes.
#[derive(Debug)]
pub enum Piece {
    /// Part that is followed by others.
    More(Vec<u8>),
    /// Last part.
    Last(Vec<u8>),
}

/// Receiver of pieces; returns an empty buffer for the next piece.
pub type Sink = Box<dyn FnMut(Piece) -> Vec<u8>>;

/// Collects all pieces that `write` passes to its sink.
pub(crate) fn collected(write: impl FnOnce(Sink)) -> Vec<u8> {
    let (sender, pieces) = std::sync::mpsc::channel();
    write(Box::new(move |piece| {
        // The receiver lives until the end of this function.
        let _ = sender.send(piece);
        Vec::new()
    }));
    pieces.iter().flat_map(|(Piece::More(bytes) | Piece::Last(bytes))| bytes).collect()
}

/// Writer of a snapshot body.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    /// Texts written so far, with their numbers from 1.
    texts: HashMap<Text, u64>,
    /// Checksum of all bytes passed on.
    checksum: crc32fast::Hasher,
    /// Bytes of the body passed on. Starts below zero (wrapping) by the length of the head.
    flushed: u64,
    sink: Sink,
    /// Whether equal states give equal bytes.
    is_canonical: bool,
}

impl Writer {
    /// Creates a writer of a body that follows `head`.
    pub(crate) fn after(head: &[u8], sink: Sink) -> Self {
        let flushed = 0_u64.wrapping_sub(head.len() as u64);
        Self {
            bytes: head.to_vec(),
            texts: HashMap::new(),
            checksum: crc32fast::Hasher::new(),
            flushed,
            sink,
            is_canonical: false,
        }
    }

    /// Makes equal states give equal bytes from here on, which costs a sort of each hash table.
    pub(crate) fn canonical(mut self) -> Self {
        self.is_canonical = true;
        self
    }

    /// Whether equal states give equal bytes.
    pub(crate) fn is_canonical(&self) -> bool {
        self.is_canonical
    }

    /// Writes the current offset in the body, which [`Reader::check_offset`] compares.
    pub(crate) fn mark_offset(&mut self) {
        self.number(self.flushed.wrapping_add(self.bytes.len() as u64));
    }

    #[cold]
    fn flush(&mut self) {
        self.checksum.update(&self.bytes);
        self.flushed = self.flushed.wrapping_add(self.bytes.len() as u64);
        let piece = std::mem::take(&mut self.bytes);
        self.bytes = (self.sink)(Piece::More(piece));
    }

    /// Passes on the rest and the checksum.
    pub(crate) fn end(mut self) {
        self.checksum.update(&self.bytes);
        let checksum = self.checksum.finalize();
        self.bytes.extend_from_slice(&checksum.to_le_bytes());
        (self.sink)(Piece::Last(self.bytes));
    }

    /// Writes a number.
    #[inline]
    pub(crate) fn number(&mut self, mut value: u64) {
        if self.bytes.len() >= PIECE_BYTES {
            self.flush();
        }
        if value < 0x80 {
            return self.bytes.push(value as u8);
        }
        let mut number = [0; NUMBER_BYTES_MAX];
        let mut length = 0;
        for byte in &mut number {
            *byte = value as u8 | 0x80;
            value >>= 7;
            length += 1;
            if value == 0 {
                *byte &= 0x7f;
                break;
            }
        }
        self.bytes.extend_from_slice(number.get(..length).unwrap_or_default());
    }

    /// Writes numbers of any size in eight bytes each, which is faster than [`Writer::number`].
    #[inline]
    pub(crate) fn words<const N: usize>(&mut self, words: [u64; N]) {
        if self.bytes.len() >= PIECE_BYTES {
            self.flush();
        }
        for word in words {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Writes a text: its number if it was written before, or else 0 and the text.
    pub(crate) fn text(&mut self, text: &str) {
        if let Some(&number) = self.texts.get(text) {
            return self.number(number);
        }
        let number = self.texts.len() as u64 + 1;
        self.texts.insert(text.into(), number);
        self.number(0);
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

/// Reader of a snapshot body.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
    texts: Vec<Text>,
}

impl<'a> Reader<'a> {
    /// Creates a reader of a body.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len(), texts: Vec::new() }
    }

    /// Whether all bytes are read.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Creates an error at the current offset.
    pub(crate) fn broken(&self, what: &'static str) -> Unreadable {
        Unreadable::Broken { at: self.offset(), what }
    }

    /// Reads a number.
    pub(crate) fn number(&mut self) -> Result<u64, Unreadable> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or_else(|| self.broken("a number is cut off"))?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.broken("a number is too large"))
    }

    /// Reads what [`Writer::words`] wrote.
    pub(crate) fn words<const N: usize>(&mut self) -> Result<[u64; N], Unreadable> {
        let mut words = [0; N];
        for word in &mut words {
            let split = self.rest.split_first_chunk();
            let (bytes, rest) = split.ok_or_else(|| self.broken("a number is cut off"))?;
            (*word, self.rest) = (u64::from_le_bytes(*bytes), rest);
        }
        Ok(words)
    }

    /// Reads the number of elements that follow, each at least one byte.
    pub(crate) fn count(&mut self) -> Result<usize, Unreadable> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count > self.rest.len() {
            Err(self.broken("a count exceeds the remaining bytes"))
        } else {
            Ok(count)
        }
    }

    /// Reads a text; equal texts share one allocation.
    pub(crate) fn text(&mut self) -> Result<Text, Unreadable> {
        if let Some(index) = self.number()?.checked_sub(1) {
            let known = usize::try_from(index).ok().and_then(|index| self.texts.get(index));
            return known.cloned().ok_or_else(|| self.broken("a reference to an unknown text"));
        }
        let length = self.count()?;
        let bytes = self.advance(length)?;
        let text: Text = std::str::from_utf8(bytes).map_err(|_| self.broken("a text is not UTF-8"))?.into();
        self.texts.push(text.clone());
        Ok(text)
    }

    /// Checks that the preceding section was read exactly to its end.
    pub(crate) fn check_offset(&mut self) -> Result<(), Unreadable> {
        let offset = self.offset() as u64;
        if self.number()? == offset { Ok(()) } else { Err(self.broken("a section has a wrong length")) }
    }

    fn offset(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    fn advance(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (bytes, rest) =
            self.rest.split_at_checked(length).ok_or_else(|| self.broken("a text is cut off"))?;
        self.rest = rest;
        Ok(bytes)
    }
}
