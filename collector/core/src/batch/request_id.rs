//! Hash of a request id.
//!
//! In: the value of the header `x-request-id`.
//! Out: 32 bits, equal on both sides of a hop.
//! Invariant: never 0, which means "no request id".

/// Hashes a request id as `hopscope.v1.Records.request_id_hash` defines it: eight bytes at a time,
/// with the version nibble of a UUID masked and both halves of the result combined.
#[must_use]
pub fn request_id_hash(id: &str) -> u32 {
    const VERSION_NIBBLE: usize = 14;
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut id = id.as_bytes().to_vec();
    let is_uuid = id.len() == 36 && [8, 13, 18, 23].iter().all(|index| id.get(*index) == Some(&b'-'));
    if let Some(nibble) = id.get_mut(VERSION_NIBBLE).filter(|_| is_uuid) {
        *nibble = b'0';
    }
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let (words, rest) = id.as_chunks::<8>();
    let hash = words.iter().fold(FACTOR, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash = rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)));
    u32::try_from((hash ^ (hash >> 32)) & u64::from(u32::MAX)).unwrap_or(0).max(1)
}
