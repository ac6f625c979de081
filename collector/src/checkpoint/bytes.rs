//! Numbers and texts as bytes.
//!
//! In: values, or bytes. Out: the other. Always holds: a number takes 1 to 10 bytes (LEB128); a text is written once and
//! then referred to, so that reading restores its sharing; no length that was read is trusted with memory.

use super::Unreadable;
use crate::report::Text;
use std::collections::HashMap;

/// No number takes more.
const NUMBER_BYTES_MAX: usize = 10;

/// Bytes in the making.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    /// Every text so far, and its number from 1.
    texts: HashMap<Text, u64>,
}

impl Writer {
    /// One that goes on after a head, in memory that is given.
    pub(super) fn after(mut memory: Vec<u8>, head: &[u8]) -> Self {
        memory.extend_from_slice(head);
        Self { bytes: memory, texts: HashMap::new() }
    }

    /// A number.
    #[inline]
    pub(crate) fn number(&mut self, mut value: u64) {
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

    /// What `content` writes, after its length as 8 bytes.
    pub(crate) fn measured(&mut self, content: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 8]);
        content(self);
        let length = self.bytes.len().saturating_sub(start + 8) as u64;
        if let Some(place) = self.bytes.get_mut(start..start + 8) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    /// All bytes.
    pub(crate) fn end(self) -> Vec<u8> {
        self.bytes
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

    /// Where the part that follows is to end.
    pub(crate) fn measured(&mut self) -> Result<usize, Unreadable> {
        let length = self.take(8)?.first_chunk().copied().map_or(u64::MAX, u64::from_le_bytes);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(self.at().saturating_add(length))
    }

    /// Holds that a part ends where it said it would.
    pub(crate) fn ends_at(&self, end: usize) -> Result<(), Unreadable> {
        if self.at() == end { Ok(()) } else { Err(self.broken("a section ends elsewhere than it says")) }
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
