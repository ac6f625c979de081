//! What one proxy knows of one finished request.
//!
//! In: nothing. Out: the words that all rooms share. Always holds: empty texts and 0 are "not known", and no text is
//! longer than [`TEXT_BYTES_MAX`] when `bounded` made it.

use crate::config::Detail;
use crate::service::Service;
pub use hopscope_proto::v1::{Protocol, Reporter};

use std::rc::Rc;

/// The longest text that leaves the proxy, bytes; the collector refuses longer ones.
pub const TEXT_BYTES_MAX: usize = 256;

/// No duration is longer, microseconds: the collector refuses 7 days and more.
pub const DURATION_US_MAX: u64 = 7 * 24 * 3_600 * 1_000_000 - 1;

/// One finished request, or one closed connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Between whom.
    pub edge: Rc<Edge>,
    /// How it ended.
    pub outcome: Outcome,
    /// Its figures.
    pub measure: Measure,
}

impl Record {
    /// Whether `detail` has it leave as a single record.
    #[must_use]
    pub fn is_told(&self, detail: Detail, slow_ms: u64) -> bool {
        match detail {
            Detail::All => true,
            Detail::Failures => {
                let is_slow = self.measure.duration_us / 1_000 >= slow_ms;
                // A connection that lasts does its work.
                self.outcome.has_failed() || is_slow && self.outcome.protocol != Protocol::Tcp
            }
            Detail::None => false,
        }
    }
}

impl Outcome {
    /// Whether the request failed, so that its explanation is worth asking for.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.response_flags != 0
            || !(1..400).contains(&self.response_code) && self.protocol != Protocol::Tcp
            || self.grpc_status.is_some_and(|status| status != 0)
    }
}

/// The figures of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measure {
    /// Start, microseconds since the Unix epoch.
    pub start_us: u64,
    /// First byte of the request to the end of the response.
    pub duration_us: u64,
    /// Headers and body.
    pub request_bytes: u64,
    /// Headers, body and trailers.
    pub response_bytes: u64,
    /// See [`request_id_hash`]; 0 without an id.
    pub request_id_hash: u32,
    /// Attempts upstream (source), or the caller's attempt number (destination); 0 when not known.
    pub attempts: u32,
    /// Of a gRPC request.
    pub messages: Messages,
}

/// Messages of gRPC requests, 0 where nobody counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Messages {
    /// What clients sent.
    pub request: u64,
    /// What they got.
    pub response: u64,
}

impl Messages {
    /// Reads what Envoy's `grpc_stats` leaves: `requests,responses` in decimal digits. 0 where it is anything else.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let (request, response) = text.split_once(',').unwrap_or_default();
        Self { request: request.parse().unwrap_or(0), response: response.parse().unwrap_or(0) }
    }

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.request = self.request.saturating_add(other.request);
        self.response = self.response.saturating_add(other.response);
    }
}

/// The peer and the service, as far as this proxy can tell. The own side is the proxy's identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Which side of the call this proxy is.
    pub reporter: Reporter,
    /// The other side.
    pub peer: Peer,
    /// First URI SAN of the own certificate on the connection between the two.
    pub local_principal: String,
    /// Both sides presented a certificate.
    pub mutual_tls: bool,
    /// What the caller meant to reach.
    pub service: Service,
}

/// The other side of the call. Empty texts are "not known".
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Workload (Deployment or the like).
    pub workload: String,
    /// Its namespace.
    pub namespace: String,
    /// Its label `app`; only the metadata exchange tells.
    pub app: String,
    /// Its label `version`; only the metadata exchange tells.
    pub version: String,
    /// Its canonical service.
    pub canonical_service: String,
    /// Its canonical revision; istiod leaves it out where it is `latest`.
    pub canonical_revision: String,
    /// Its cluster.
    pub cluster: String,
    /// Its address without port.
    pub address: String,
    /// First URI SAN of its certificate.
    pub principal: String,
}

/// What Envoy says of a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Why {
    /// `response.code_details`.
    pub code_details: String,
    /// `upstream.transport_failure_reason`.
    pub transport_failure_reason: String,
}

impl Why {
    /// What is said, if anything is.
    #[must_use]
    pub fn new(code_details: &[u8], transport_failure_reason: &[u8]) -> Option<Box<Self>> {
        let text = |bytes: &[u8]| bounded(&String::from_utf8_lossy(bytes));
        let why = Self {
            code_details: text(code_details),
            transport_failure_reason: text(transport_failure_reason),
        };
        (why != Self::default()).then(|| Box::new(why))
    }
}

/// How a request ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// HTTP status; 0 without response headers.
    pub response_code: u32,
    /// Envoy's bitmap.
    pub response_flags: u64,
    /// Only for gRPC.
    pub grpc_status: Option<u32>,
    /// HTTP, gRPC or TCP.
    pub protocol: Protocol,
    /// Only on failure, and only where Envoy says something.
    pub why: Option<Box<Why>>,
    /// Of a connection that it was told as opened before.
    pub continued: bool,
}

/// Cuts a text at [`TEXT_BYTES_MAX`], at a character's border.
pub(crate) fn bounded(text: &str) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

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
    use super::{TEXT_BYTES_MAX, bounded, request_id_hash, same};
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

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "é".repeat(TEXT_BYTES_MAX);
        let cut = bounded(&long);
        assert!(cut.len() <= TEXT_BYTES_MAX && long.starts_with(&cut));
        assert_eq!(bounded("short"), "short");
    }
}
