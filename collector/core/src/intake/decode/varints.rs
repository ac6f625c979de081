//! Decoder of the varints of a packed column, read in place.
//!
//! In: the bytes of a column.
//! Out: its numbers, one by one.
//! Invariant: an invalid varint yields `None`.
//!
//! The decoder finds the ends of all varints in a window of bytes at once. So no varint depends on
//! the length of the preceding one, which the processor cannot predict in a column of sizes or
//! times.

/// Bytes of a window: one per bit of a word.
const WINDOW: usize = u64::BITS as usize;
/// Continuation bit of each byte.
const MORE: u64 = 0x8080_8080_8080_8080;

/// Iterator over the numbers of a column.
#[derive(Debug, Clone)]
pub(super) struct Numbers<'a> {
    bytes: &'a [u8],
    /// Offset of the next number.
    start: usize,
    /// Offset of the window.
    window: usize,
    /// Last bytes of the unread numbers of the window, one bit each.
    ends: u64,
}

impl<'a> Numbers<'a> {
    /// Starts at the first number.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, start: 0, window: 0, ends: ends_within(bytes) }
    }

    /// Returns the next number; `None` at the end, or for an invalid varint.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u64> {
        while self.ends == 0 {
            self.window += WINDOW;
            self.ends = ends_within(self.bytes.get(self.window..)?);
        }
        let (start, end) = (self.start, self.window + self.ends.trailing_zeros() as usize);
        self.ends &= self.ends - 1;
        self.start = end + 1;
        let rest = self.bytes.get(start..)?;
        let last = end - start;
        match rest.first_chunk() {
            Some(eight) if last < 4 => {
                Some(squeezed_short(short(*eight) & u32::MAX >> (24 - 8 * last)).into())
            }
            _ => long(rest, last),
        }
    }

    /// Whether all numbers are read.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }
}

/// Counts the numbers of a column.
pub(super) fn count(column: &[u8]) -> usize {
    column.iter().filter(|byte| **byte < 0x80).count()
}

/// Returns the last bytes of numbers within the first window of `bytes`, one bit each.
#[inline]
fn ends_within(bytes: &[u8]) -> u64 {
    if let Some(window) = bytes.first_chunk() {
        return ends_of(window);
    }
    let mut window = [0xff; WINDOW];
    window.iter_mut().zip(bytes).for_each(|(target, byte)| *target = *byte);
    ends_of(&window)
}

#[inline]
fn ends_of(window: &[u8; WINDOW]) -> u64 {
    /// Factor that moves the lowest bit of byte n to bit n of the highest byte, without overlaps.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (words, _) = window.as_chunks();
    words.iter().rev().fold(0, |ends, word| {
        let last = !u64::from_le_bytes(*word) & MORE;
        ends << 8 | (last >> 7).wrapping_mul(GATHER) >> 56
    })
}

/// Returns the first four bytes as a word.
#[inline]
fn short([a, b, c, d, ..]: [u8; 8]) -> u32 {
    u32::from_le_bytes([a, b, c, d])
}

/// Joins the seven-bit groups of up to four bytes: a third of the work of eight bytes, and enough
/// for nearly all numbers of records.
#[inline]
fn squeezed_short(word: u32) -> u32 {
    let word = (word & 0x007f_007f) | (word & 0x7f00_7f00) >> 1;
    (word & 0x3fff) | (word & 0x3fff_0000) >> 2
}

/// Joins the seven-bit groups of up to eight bytes.
fn squeezed(word: u64) -> u64 {
    let word = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let word = (word & 0x0000_3fff_0000_3fff) | (word & 0x3fff_0000_3fff_0000) >> 2;
    (word & 0x0fff_ffff) | (word & 0x0fff_ffff_0000_0000) >> 4
}

/// Reads a number that ends at index `last`: one of more than four bytes, or one near the end of
/// the column.
#[inline(never)]
fn long(rest: &[u8], last: usize) -> Option<u64> {
    match rest.first_chunk() {
        Some(eight) if last < 8 => Some(squeezed(u64::from_le_bytes(*eight) & u64::MAX >> (56 - 8 * last))),
        _ => bytewise(rest.get(..=last)?),
    }
}

/// Reads a number that consists of all `bytes`: a long one, or one near the end of the column.
#[cold]
fn bytewise(bytes: &[u8]) -> Option<u64> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate() {
        // The tenth byte holds the highest bit only.
        if index > 9 || index == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::{Numbers, count};
    use proptest::prelude::*;
    use prost::encoding::{decode_varint, encode_varint};

    /// Reads with prost up to the first invalid varint; returns whether all bytes were valid.
    fn read_with_prost(mut rest: &[u8]) -> (Vec<u64>, bool) {
        let mut numbers = Vec::new();
        while !rest.is_empty() {
            match decode_varint(&mut rest) {
                Ok(number) => numbers.push(number),
                Err(_) => return (numbers, false),
            }
        }
        (numbers, true)
    }

    fn read(bytes: &[u8]) -> (Vec<u64>, bool) {
        let mut column = Numbers::new(bytes);
        let numbers = std::iter::from_fn(|| column.next()).collect();
        (numbers, column.is_empty())
    }

    proptest! {
        #[test]
        fn varints_are_read_like_prost(numbers in proptest::collection::vec((any::<u64>(), 0..64), 0..200)) {
            let mut bytes = Vec::new();
            let numbers: Vec<u64> = numbers.into_iter().map(|(number, bits)| number >> bits).collect();
            numbers.iter().for_each(|number| encode_varint(*number, &mut bytes));
            prop_assert_eq!(count(&bytes), numbers.len());
            prop_assert_eq!(read(&bytes), (numbers, true));
        }

        #[test]
        fn arbitrary_bytes_are_read_like_prost(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0x80..=0xff_u8], 0..200)) {
            let (expected, is_whole) = read_with_prost(&bytes);
            let (numbers, is_empty) = read(&bytes);
            if is_whole {
                prop_assert_eq!((numbers, is_empty), (expected, true));
            } else {
                prop_assert_eq!(&numbers[..expected.len()], &expected[..]);
                // Reading as many numbers as there are ends fails, or leaves bytes unread.
                prop_assert!(numbers.len() < count(&bytes) || !is_empty);
            }
        }
    }
}
