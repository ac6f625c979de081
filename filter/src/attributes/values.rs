//! Many values in one: how Envoy hands over the list that an expression gave.
//!
//! In: bytes. Out: the values, in order. Always holds: no bytes make it panic, allocate or read beyond their end.
//!
//! Source: proxy-wasm's serialised pairs, little-endian: `u32` number of pairs, for each the `u32` sizes of key and value,
//! then for each the key, a NUL, the value, a NUL. Envoy gives the elements of a list as keys without values.

/// The sizes of an integer, and of what Envoy gives beside it.
const NUMBER: u64 = 8;
/// What such a value takes, with the NUL of the key and that of the value.
const NUMBER_BYTES: usize = 8 + 2;

/// The values of one answer that were not taken yet.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    /// Of each value, and of what Envoy gives beside it.
    sizes: std::slice::Iter<'a, [u8; 8]>,
    values: &'a [u8],
}

impl<'a> Values<'a> {
    /// Reads an answer of exactly `count` values; `None` when it is none.
    #[must_use]
    pub fn read(bytes: &'a [u8], count: usize) -> Option<Self> {
        let (found, rest) = bytes.split_first_chunk::<4>()?;
        if usize::try_from(u32::from_le_bytes(*found)).ok()? != count {
            return None;
        }
        let (sizes, values) = rest.split_at_checked(count.checked_mul(8)?)?;
        Some(Self { sizes: sizes.as_chunks::<8>().0.iter(), values })
    }

    /// The next value; empty when there is none, or when its size leads nowhere.
    pub fn bytes(&mut self) -> &'a [u8] {
        self.next().unwrap_or_default()
    }

    /// The next value as an integer or a duration; 0 when it is none.
    pub fn number(&mut self) -> i64 {
        self.bytes().try_into().map_or(0, i64::from_le_bytes)
    }

    /// The next values, where all of them are integers or durations; each is for [`number`].
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

    /// The next two values, and both with what stands between them.
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
        let [a, b, c, d, beside @ ..] = *self.sizes.next()?;
        let size = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let beside = usize::try_from(u32::from_le_bytes(beside)).ok()?;
        let (value, rest) = self.values.split_at_checked(size)?;
        self.values = rest.get(beside.checked_add(2)?..)?;
        Some(value)
    }
}

/// One of [`Values::numbers`].
#[must_use]
pub fn number([number @ .., _, _]: &[u8; NUMBER_BYTES]) -> i64 {
    i64::from_le_bytes(*number)
}

/// Writes values as Envoy does, for hosts that have no expressions.
#[must_use]
pub fn write(values: &[Vec<u8>]) -> Vec<u8> {
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
            Some(answer) => {
                answer.map(|v| String::from_utf8_lossy(v).into_owned()).collect::<Vec<_>>().join(",")
            }
            None => "none".to_owned(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn what_envoy_writes_is_read() {
        // As seen from Envoy 1.40: `["ab", ""]`.
        let seen = b"\x02\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0ab\0\0\0\0";
        check(seen, 2, "ab,");
        assert_eq!(write(&[b"ab".to_vec(), Vec::new()]), seen);
        check(seen, 3, "none");
        check(&[], 0, "none");
        check(&[0; 4], 0, "");
    }

    #[test]
    fn numbers_are_eight_bytes() {
        let bytes = write(&[7_i64.to_le_bytes().to_vec(), (-1_i64).to_le_bytes().to_vec(), b"200".to_vec()]);
        let mut answer = Values::read(&bytes, 3).unwrap();
        assert_eq!([answer.number(), answer.number(), answer.number(), answer.number()], [7, -1, 0, 0]);
        let mut answer = Values::read(&bytes, 3).unwrap();
        assert_eq!(answer.numbers::<3>(), None, "one of them is none");
        assert_eq!(answer.numbers::<2>().map(|numbers| numbers.each_ref().map(number)), Some([7, -1]));
        assert_eq!((answer.bytes(), answer.bytes(), answer.numbers::<1>()), (&b"200"[..], &b""[..], None));
    }

    #[test]
    fn two_values_are_one_text_too() {
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

    /// Every prefix of a good answer, every byte of it changed, and noise.
    #[test]
    fn no_bytes_lead_anywhere_else() {
        let good = write(&[b"outbound|80||a".to_vec(), vec![0; 8], Vec::new()]);
        let mut inputs: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
        for place in 0..good.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[place] = byte;
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
                if let Some(mut answer) = Values::read(input, count) {
                    answer.numbers::<2>();
                    assert!(answer.pair().2.len() <= input.len());
                }
            }
        }
    }
}
