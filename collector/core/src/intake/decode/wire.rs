//! Protobuf wire format, read in place.
//!
//! Invariant: invalid encodings yield `None`; every byte is read once.

/// Value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Cursor over the fields of a message.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the first field.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the next field and its number; `Some(None)` at the end.
    #[inline]
    pub(super) fn field(&mut self) -> Option<Option<(u32, Value<'a>)>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        let key = u32::try_from(self.varint()?).ok()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return None,
        };
        (key >> 3 > 0).then_some(Some((key >> 3, value)))
    }

    /// Reads a varint.
    #[inline]
    pub(super) fn varint(&mut self) -> Option<u64> {
        let (&first, rest) = self.rest.split_first()?;
        if first < 0x80 {
            self.rest = rest;
            return Some(first.into());
        }
        let Some(eight) = self.rest.first_chunk::<8>() else { return self.varint_bytewise() };
        let word = u64::from_le_bytes(*eight);
        let ends = !word & 0x8080_8080_8080_8080;
        if ends == 0 {
            return self.varint_bytewise();
        }
        // The bits up to the end of the first byte without the continuation bit.
        let word = word & (ends ^ ends.wrapping_sub(1));
        let word = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
        let word = (word & 0x0000_3fff_0000_3fff) | (word & 0x3fff_0000_3fff_0000) >> 2;
        let length = ends.trailing_zeros() as usize / 8 + 1;
        self.rest = self.rest.get(length..)?;
        Some((word & 0x0fff_ffff) | (word & 0x0fff_ffff_0000_0000) >> 4)
    }

    /// Reads a varint byte by byte: a long one, or one near the end.
    #[cold]
    fn varint_bytewise(&mut self) -> Option<u64> {
        let mut value = 0;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            // The tenth byte holds the highest bit only.
            if index == 9 && *byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.rest = self.rest.get(index + 1..)?;
                return Some(value);
            }
        }
        None
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }
}

/// Decodes a zigzag number.
pub(super) fn signed(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Value, signed};
    use proptest::prelude::*;
    use prost::encoding::{decode_varint, encode_varint};

    proptest! {
        #[test]
        fn varints_are_read_like_prost(numbers in proptest::collection::vec(prop_oneof![0..300_u64, any::<u64>()], 0..20), bits in 0..64) {
            let mut bytes = Vec::new();
            let numbers: Vec<u64> = numbers.into_iter().map(|number| number >> bits).collect();
            numbers.iter().for_each(|number| encode_varint(*number, &mut bytes));
            let mut cursor = Cursor::new(&bytes);
            let read: Vec<u64> = std::iter::from_fn(|| cursor.varint()).collect();
            prop_assert!(cursor.rest.is_empty());
            prop_assert_eq!(read, numbers);
        }

        #[test]
        fn arbitrary_bytes_are_read_like_prost(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0x80..=0xff_u8], 0..14)) {
            let (mut cursor, mut rest) = (Cursor::new(&bytes), &bytes[..]);
            loop {
                let (found, expected) = (cursor.varint(), decode_varint(&mut rest).ok());
                prop_assert_eq!(found, expected);
                if found.is_none() {
                    break;
                }
            }
        }
    }

    #[test]
    fn fields_have_a_number_and_a_wire_type() {
        let fields = |bytes: &'static [u8]| {
            let mut cursor = Cursor::new(bytes);
            let mut found = Vec::new();
            while let Some(field) = cursor.field()? {
                found.push(field);
            }
            Some(found)
        };
        let good = fields(b"\x08\x05\x12\x02hi\x1d\x01\0\0\0\x21\x02\0\0\0\0\0\0\0");
        let expected =
            [(1, Value::Varint(5)), (2, Value::Bytes(b"hi")), (3, Value::Fixed32(1)), (4, Value::Fixed64(2))];
        assert_eq!(good.as_deref(), Some(&expected[..]));
        for bad in [&b"\x12\x03hi"[..], b"\x00\x01", b"\x0b", b"\x0c", b"\x1d\x01", b"\x08", b"\xff"] {
            assert_eq!(fields(bad), None);
        }
        assert_eq!([signed(0), signed(1), signed(2), signed(u64::MAX)], [0, -1, 1, i64::MIN]);
    }
}
