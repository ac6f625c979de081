//! Numbers and texts as bytes.
//!
//! In: values, or bytes. Out: the other, piece by piece. Always holds: a number takes 1 to 10 bytes (LEB128); a text is written once and
//! then referred to, so that reading restores its sharing; no length that was read is trusted with memory.

use crate::batch::Text;
use crate::snapshot::Unreadable;
use std::collections::HashMap;

/// No number takes more.
const NUMBER_BYTES_MAX: usize = 10;

/// So many bytes make a piece, with the value that makes it so many.
pub const PIECE_BYTES: usize = 256 << 10;

/// A part of the bytes.
#[derive(Debug)]
pub enum Piece {
    /// More will come.
    More(Vec<u8>),
    /// All is there.
    Last(Vec<u8>),
}

/// Where pieces go; what comes back is empty memory for the next one.
pub type Sink = Box<dyn FnMut(Piece) -> Vec<u8>>;

/// All that is written, in one piece.
pub(crate) fn collected(write: impl FnOnce(Sink)) -> Vec<u8> {
    let (told, pieces) = std::sync::mpsc::channel();
    write(Box::new(move |piece| {
        // Nobody hangs up before the end.
        let _ = told.send(piece);
        Vec::new()
    }));
    pieces.iter().flat_map(|(Piece::More(bytes) | Piece::Last(bytes))| bytes).collect()
}

/// Bytes in the making.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    /// Every text so far, and its number from 1.
    texts: HashMap<Text, u64>,
    /// Of all that went.
    sum: crc32fast::Hasher,
    /// How much of the body went; what stands before it is taken off.
    gone: u64,
    sink: Sink,
}

impl Writer {
    /// A body that stands after a head.
    pub(crate) fn after(head: &[u8], sink: Sink) -> Self {
        let gone = 0_u64.wrapping_sub(head.len() as u64);
        Self { bytes: head.to_vec(), texts: HashMap::new(), sum: crc32fast::Hasher::new(), gone, sink }
    }

    /// Where in the body this stands.
    pub(crate) fn place(&mut self) {
        self.number(self.gone.wrapping_add(self.bytes.len() as u64));
    }

    #[cold]
    fn hand_on(&mut self) {
        self.sum.update(&self.bytes);
        self.gone = self.gone.wrapping_add(self.bytes.len() as u64);
        let piece = std::mem::take(&mut self.bytes);
        self.bytes = (self.sink)(Piece::More(piece));
    }

    /// Hands on the rest, and the checksum.
    pub(crate) fn end(mut self) {
        self.sum.update(&self.bytes);
        let sum = self.sum.finalize();
        self.bytes.extend_from_slice(&sum.to_le_bytes());
        (self.sink)(Piece::Last(self.bytes));
    }

    /// A number.
    #[inline]
    pub(crate) fn number(&mut self, mut value: u64) {
        if self.bytes.len() >= PIECE_BYTES {
            self.hand_on();
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

    /// A text: its number, or 0 and the text itself.
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

/// Bytes being read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
    texts: Vec<Text>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len(), texts: Vec::new() }
    }

    /// Whether all is read.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// An error at the place where the reader is.
    pub(crate) fn broken(&self, what: &'static str) -> Unreadable {
        Unreadable::Broken { at: self.at(), what }
    }

    /// A number.
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

    /// How many elements follow, each at least one byte.
    pub(crate) fn count(&mut self) -> Result<usize, Unreadable> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count > self.rest.len() { Err(self.broken("a count is larger than the rest")) } else { Ok(count) }
    }

    /// A text; the same text is the same allocation.
    pub(crate) fn text(&mut self) -> Result<Text, Unreadable> {
        if let Some(place) = self.number()?.checked_sub(1) {
            let known = usize::try_from(place).ok().and_then(|place| self.texts.get(place));
            return known.cloned().ok_or_else(|| self.broken("a text is referred to that did not come"));
        }
        let length = self.count()?;
        let bytes = self.take(length)?;
        let text: Text = std::str::from_utf8(bytes).map_err(|_| self.broken("a text is not UTF-8"))?.into();
        self.texts.push(text.clone());
        Ok(text)
    }

    /// Holds that what comes before was read to its end, and no further.
    pub(crate) fn place(&mut self) -> Result<(), Unreadable> {
        let at = self.at() as u64;
        if self.number()? == at { Ok(()) } else { Err(self.broken("a section ends elsewhere than it says")) }
    }

    fn at(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or_else(|| self.broken("the rest is cut off"))?;
        self.rest = rest;
        Ok(taken)
    }
}
