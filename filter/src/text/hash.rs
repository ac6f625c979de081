//! Hashes and equality of byte strings, eight bytes at a time.
//!
//! Invariant: equal bytes have equal hashes, on every machine. All of this runs for each request,
//! and in WebAssembly a loop over single bytes costs several times as much.

/// Returns a hash of a request id: 64 bits folded into 32, never 0, equal on both sides of a hop.
///
/// Tracing rewrites the version nibble of a UUID (index 14) to its own sampling decision, which can
/// differ between two proxies. The nibble is therefore masked in ids of that shape.
#[must_use]
pub fn request_id_hash(id: &[u8]) -> u32 {
    let hash = match id.as_chunks::<8>() {
        // The shape of nearly all ids. Unrolled, it takes a third of the instructions.
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
            fold_halves(mix(bytes, u64::from(*h)))
        }
        _ => hash64(id),
    };
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or(0).max(1)
}

/// Returns a 64-bit hash of a text. The lower half is as well mixed as the upper one. The hash is
/// not resistant to chosen collisions; no caller needs that.
#[must_use]
pub fn hash64(text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let hash = words.iter().fold(MULTIPLIER, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    fold_halves(rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte))))
}

/// Returns a word with these bytes, to mask or compare a part of an id.
const fn at(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

fn fold_halves(hash: u64) -> u64 {
    hash ^ (hash >> 32)
}

/// Returns a 64-bit hash of a text, for hashes that are compared within one process only. Faster
/// than [`hash64`]: the end of the text is read as one word that overlaps the word before.
#[must_use]
pub fn quick_hash(text: &[u8], start: u64) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let hash = words.iter().fold(start, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    match text.last_chunk::<8>() {
        Some(end) => mix(hash, u64::from_le_bytes(*end)),
        None => rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte))),
    }
}

/// The multiplier of Fibonacci hashing: 2^64 divided by the golden ratio, made odd.
pub(crate) const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(MULTIPLIER).rotate_left(29)
}

/// Returns whether two byte strings are equal. In WebAssembly the comparison of slices goes byte by byte.
#[must_use]
pub fn bytes_equal(a: &[u8], b: &[u8]) -> bool {
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

/// Returns the 64-bit FNV-1a hash (Fowler, Noll, Vo): small code and no table, for texts that no
/// attacker chooses.
#[must_use]
pub fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{bytes_equal, request_id_hash};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_version_nibble_of_a_uuid_is_ignored() {
        let sampled = request_id_hash(b"0f6f1b4e-2222-9333-8444-555566667777");
        assert_eq!(sampled, request_id_hash(b"0f6f1b4e-2222-4333-8444-555566667777"));
        assert_ne!(sampled, request_id_hash(b"0f6f1b4e-2222-4334-8444-555566667777"));
        assert_ne!(request_id_hash(b"abc-1"), request_id_hash(b"abc-2"));
        // The collector's test of access logs holds equal values: both hashes must agree.
        assert_eq!(request_id_hash(b""), 0xe17d_05ac);
        assert_eq!(request_id_hash(b"a"), 0xb3e6_c7af);
        assert_eq!(request_id_hash(b"foobar99-x"), 0x0605_0aaa);
        assert_eq!(request_id_hash(b"0f6f1b4e-2222-9333-8444-555566667777"), 0x0d2c_b82b);
    }

    #[test]
    fn texts_are_equal_when_all_bytes_are_equal() {
        let text: Vec<u8> = (0..40).collect();
        for length in 0..text.len() {
            let text = &text[..length];
            assert!(bytes_equal(text, &Vec::from(text)) && !bytes_equal(text, &[text, b"x"].concat()));
            for position in 0..length {
                let mut other = text.to_vec();
                other[position] ^= 1;
                assert!(!bytes_equal(text, &other), "{length} {position}");
            }
        }
    }
}
