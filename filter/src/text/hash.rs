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
    let hash = match id.as_chunks::<8>() {
        // As nearly all ids are: without a loop, a third of the instructions.
        ([a, b, c, d], [e, f, g, h]) => {
            let word = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk);
            let (mut second, third) = (word(b), word(c));
            if second & at(b"\xff\0\0\0\0\xff\0\0") == at(b"-\0\0\0\0-\0\0")
                && third & at(b"\0\0\xff\0\0\0\0\xff") == at(b"\0\0-\0\0\0\0-")
            {
                second = second & at(b"\xff\xff\xff\xff\xff\xff\0\xff") | at(b"\0\0\0\0\0\x000\0");
            }
            let words = mix(mix(mix(mix(MULTIPLIER, word(a)), second), third), word(d));
            let bytes = mix(mix(mix(words, u64::from(*e)), u64::from(*f)), u64::from(*g));
            folded(mix(bytes, u64::from(*h)))
        }
        _ => hash64(id),
    };
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or(0).max(1)
}

/// A number for a text, eight bytes at a time, since it is made of several texts for each request. Its lower half is as
/// good as its upper one; nobody gains by choosing texts that collide.
#[must_use]
pub fn hash64(text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let hash = words.iter().fold(MULTIPLIER, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    folded(rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte))))
}

/// Bytes of a word.
const fn at(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

fn folded(hash: u64) -> u64 {
    hash ^ (hash >> 32)
}

/// A number for a text that is kept nowhere: as good as [`hash64`], and sooner there, since it takes the end of a text as a
/// word that overlaps the last one.
#[must_use]
pub fn quick_hash(text: &[u8], start: u64) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let hash = words.iter().fold(start, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    match text.last_chunk::<8>() {
        Some(end) => mix(hash, u64::from_le_bytes(*end)),
        None => rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte))),
    }
}

/// Odd, and of no pattern: 2^64 over the golden ratio.
pub(crate) const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(MULTIPLIER).rotate_left(29)
}

/// Whether two texts are the same, eight bytes at a time: in WebAssembly the comparison of slices goes byte by byte.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if a.is_empty() {
        return true;
    }
    let word = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk);
    let (Some(a_end), Some(b_end)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return a.iter().eq(b);
    };
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        if word(a) != word(b) {
            return false;
        }
    }
    word(a_end) == word(b_end)
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
