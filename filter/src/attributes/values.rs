//! The serialised values of an expression's list.
//!
//! Invariant: no input causes a panic, an allocation, or a read beyond its end.
//!
//! Source: proxy-wasm's serialised pairs, little-endian: a `u32` with the number of pairs; for each
//! pair the `u32` sizes of key and value; for each pair the key, a NUL, the value, a NUL. Envoy
//! serialises the elements of a list as keys without values.

/// The two sizes of an integer: 8 for the key, 0 for the value, as one little-endian word.
const NUMBER: u64 = 8;
/// The size of a serialised integer, with the NUL of the key and the NUL of the value.
const NUMBER_BYTES: usize = 8 + 2;

/// The remaining values of a result.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    /// The sizes of key and value, for each element.
    sizes: std::slice::Iter<'a, [u8; 8]>,
    values: &'a [u8],
}

impl<'a> Values<'a> {
    /// Reads a result of exactly `count` values; `None` for anything else.
    #[must_use]
    pub fn read(bytes: &'a [u8], count: usize) -> Option<Self> {
        let (found, rest) = bytes.split_first_chunk::<4>()?;
        if usize::try_from(u32::from_le_bytes(*found)).ok()? != count {
            return None;
        }
        let (sizes, values) = rest.split_at_checked(count.checked_mul(8)?)?;
        Some(Self { sizes: sizes.as_chunks::<8>().0.iter(), values })
    }

    /// Returns the next value; empty at the end, or when its size exceeds the input.
    pub fn bytes(&mut self) -> &'a [u8] {
        self.next().unwrap_or_default()
    }

    /// Returns the next value as an integer or a duration; 0 for anything else.
    pub fn number(&mut self) -> i64 {
        self.bytes().try_into().map_or(0, i64::from_le_bytes)
    }

    /// Returns the next values, where all of them are integers or durations; [`number`] decodes
    /// each.
    pub fn numbers<const N: usize>(&mut self) -> Option<&'a [[u8; NUMBER_BYTES]; N]> {
        let (sizes, other_sizes) = self.sizes.as_slice().split_first_chunk::<N>()?;
        for sizes in sizes {
            if u64::from_le_bytes(*sizes) != NUMBER {
                return None;
            }
        }
        let values = self.values.as_chunks::<NUMBER_BYTES>().0.first_chunk::<N>()?;
        self.values = self.values.get(values.as_flattened().len()..)?;
        self.sizes = other_sizes.iter();
        Some(values)
    }

    /// Returns the next two values, and one slice over both.
    pub fn pair(&mut self) -> (&'a [u8], &'a [u8], &'a [u8]) {
        let from = self.values;
        let (first, second) = (self.bytes(), self.bytes());
        let both = from.len().saturating_sub(self.values.len()).saturating_sub(2);
        (first, second, from.get(..both).unwrap_or_default())
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let [a, b, c, d, value_size @ ..] = *self.sizes.next()?;
        let size = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let value_size = usize::try_from(u32::from_le_bytes(value_size)).ok()?;
        let (value, rest) = self.values.split_at_checked(size)?;
        self.values = rest.get(value_size.checked_add(2)?..)?;
        Some(value)
    }
}

/// Decodes one of [`Values::numbers`].
#[must_use]
pub fn number([number @ .., _, _]: &[u8; NUMBER_BYTES]) -> i64 {
    i64::from_le_bytes(*number)
}

/// Serialises values as Envoy does, for hosts without expressions.
pub(super) fn write(values: &[Vec<u8>]) -> Vec<u8> {
    let size = |value: &[u8]| u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = u32::try_from(values.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    for value in values {
        bytes.extend(size(value));
        bytes.extend([0; 4]);
    }
    for value in values {
        bytes.extend(value);
        bytes.extend([0; 2]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Values, number, write};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[track_caller]
    fn check(bytes: &[u8], count: usize, expected: &str) {
        let text = match Values::read(bytes, count) {
            Some(values) => {
                values.map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>().join(",")
            }
            None => "none".to_owned(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn a_result_of_envoy_is_read() {
        // Captured from Envoy 1.40: `["ab", ""]`.
        let seen = b"\x02\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0ab\0\0\0\0";
        check(seen, 2, "ab,");
        assert_eq!(write(&[b"ab".to_vec(), Vec::new()]), seen);
        check(seen, 3, "none");
        check(&[], 0, "none");
        check(&[0; 4], 0, "");
    }

    #[test]
    fn a_number_has_eight_bytes() {
        let bytes = write(&[7_i64.to_le_bytes().to_vec(), (-1_i64).to_le_bytes().to_vec(), b"200".to_vec()]);
        let mut values = Values::read(&bytes, 3).unwrap();
        assert_eq!([values.number(), values.number(), values.number(), values.number()], [7, -1, 0, 0]);
        let mut values = Values::read(&bytes, 3).unwrap();
        assert_eq!(values.numbers::<3>(), None, "one of them is a text");
        assert_eq!(values.numbers::<2>().map(|numbers| numbers.each_ref().map(number)), Some([7, -1]));
        assert_eq!((values.bytes(), values.bytes(), values.numbers::<1>()), (&b"200"[..], &b""[..], None));
    }

    #[test]
    fn a_pair_has_one_slice_over_both() {
        let check = |values: &[&str], expected: (&str, &str, &str)| {
            let bytes = write(&values.iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>());
            let (first, second, both) = Values::read(&bytes, values.len()).unwrap().pair();
            let [first, second, both] = [first, second, both].map(|it| str::from_utf8(it).unwrap());
            assert_eq!((first, second, both), expected);
        };
        check(&["ab", "c", "d"], ("ab", "c", "ab\0\0c"));
        check(&["", ""], ("", "", "\0\0"));
        check(&["ab"], ("ab", "", "ab"));
        check(&[], ("", "", ""));
    }

    /// Every prefix of a valid result, every byte of it changed, and noise.
    #[test]
    fn invalid_bytes_are_never_read_beyond_their_end() {
        let good = write(&[b"outbound|80||a".to_vec(), vec![0; 8], Vec::new()]);
        let mut inputs: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
        for position in 0..good.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[position] = byte;
                inputs.push(bad);
            }
        }
        let mut random = 7_u64;
        for length in 0..200 {
            let noise = std::iter::repeat_with(|| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random.to_le_bytes()[0] & 0x1f
            });
            inputs.push(noise.take(length).collect());
        }
        for input in &inputs {
            for count in [0, 1, 3, 20, usize::MAX] {
                let values = Values::read(input, count).into_iter().flatten();
                assert!(values.map(<[u8]>::len).sum::<usize>() <= input.len());
                if let Some(mut values) = Values::read(input, count) {
                    values.numbers::<2>();
                    assert!(values.pair().2.len() <= input.len());
                }
            }
        }
    }
}
