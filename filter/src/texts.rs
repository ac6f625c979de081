//! Texts as numbers, and their comparison, eight bytes at a time.
//!
//! In: texts. Out: hashes, and whether two are the same. Always holds: equal texts have equal numbers, on every machine. It is
//! all done for each request, and in WebAssembly whatever goes byte by byte costs several times as much.

/// A hash of a request id, 64 bits folded into 32, never 0, the same on both sides of a hop.
///
/// Tracing rewrites the version nibble of a UUID (index 14) to its own decision, which can differ between two proxies,
/// so that nibble is masked in ids of that shape.
#[must_use]
pub fn request_id_hash(id: &[u8]) -> u32 {
    // Byte 14 is the seventh of the second word.
    const VERSION: u64 = 0xff << 48;
    const ZERO: u64 = (b'0' as u64) << 48;
    let has_version = id.len() == 36 && [8, 13, 18, 23].iter().all(|place| id.get(*place) == Some(&b'-'));
    let (kept, set) = if has_version { (!VERSION, ZERO) } else { (u64::MAX, 0) };
    let hash = spread_with(id, |place, word| if place == 1 { word & kept | set } else { word });
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or(0).max(1)
}

/// A number for a text, eight bytes at a time, since it is made of several texts for each request. Its lower half is as
/// good as its upper one; nobody gains by choosing texts that collide.
#[must_use]
pub fn spread(text: &[u8]) -> u64 {
    spread_with(text, |_, word| word)
}

fn spread_with(text: &[u8], change: impl Fn(usize, u64) -> u64) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let words = words.iter().enumerate().map(|(place, word)| change(place, u64::from_le_bytes(*word)));
    let hash = words.fold(FACTOR, mix);
    let hash = rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)));
    hash ^ (hash >> 32)
}

/// A number for a text that is kept nowhere: as good as [`spread`], and sooner there, since it takes the end of a text as a
/// word that overlaps the last one.
#[must_use]
pub fn sketch(text: &[u8], start: u64) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let hash = words.iter().fold(start, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    match text.last_chunk::<8>() {
        Some(end) => mix(hash, u64::from_le_bytes(*end)),
        None => rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte))),
    }
}

/// Odd, and of no pattern: 2^64 over the golden ratio.
pub(crate) const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(FACTOR).rotate_left(29)
}

/// Whether two texts are the same, eight bytes at a time: in WebAssembly the comparison of slices goes byte by byte.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    let word = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk);
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(a_end), Some(b_end)) => {
            let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
            a.len() == b.len()
                && word(a_end) == word(b_end)
                && words.into_iter().all(|(a, b)| word(a) == word(b))
        }
        _ => a == b,
    }
}

/// 64-bit FNV-1a (Fowler, Noll, Vo): small code, no table, good enough for texts that nobody chooses to collide.
#[must_use]
pub fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{request_id_hash, same};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_version_nibble_of_a_uuid_does_not_count() {
        let sampled = request_id_hash(b"0f6f1b4e-2222-9333-8444-555566667777");
        assert_eq!(sampled, request_id_hash(b"0f6f1b4e-2222-4333-8444-555566667777"));
        assert_ne!(sampled, request_id_hash(b"0f6f1b4e-2222-4334-8444-555566667777"));
        assert_ne!(request_id_hash(b"abc-1"), request_id_hash(b"abc-2"));
        // The same values stand in the collector's test of access logs: the two must agree.
        assert_eq!(request_id_hash(b""), 0xe17d_05ac);
        assert_eq!(request_id_hash(b"a"), 0xb3e6_c7af);
        assert_eq!(request_id_hash(b"foobar99-x"), 0x0605_0aaa);
        assert_eq!(request_id_hash(b"0f6f1b4e-2222-9333-8444-555566667777"), 0x0d2c_b82b);
    }

    #[test]
    fn texts_are_the_same_when_all_their_bytes_are() {
        let text: Vec<u8> = (0..40).collect();
        for length in 0..text.len() {
            let text = &text[..length];
            assert!(same(text, &Vec::from(text)) && !same(text, &[text, b"x"].concat()));
            for place in 0..length {
                let mut other = text.to_vec();
                other[place] ^= 1;
                assert!(!same(text, &other), "{length} {place}");
            }
        }
    }
}
