//! Compression of answers with gzip.
//!
//! In: a header `Accept-Encoding`, and an answer, whole or in parts. Out: the encoding, and the
//! compressed bytes. Invariant: a part is compressed when it is complete, so that memory is bounded
//! by the size of a part; the calling thread does the work.
//!
//! Source: RFC 9110, 12.5.3. An encoding of weight 0 is not acceptable; `*` stands for every
//! encoding that is not listed; `identity` is acceptable unless it is excluded.

use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, VARY};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Answers below this size are not compressed: their header would be larger than the gain.
const BYTES_MIN: usize = 1 << 10;

/// Encoding of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// No compression.
    Identity,
    /// Gzip.
    Gzip,
}

impl Encoding {
    /// The encoding that the headers of a request ask for. Without one that is acceptable, the
    /// answer is not compressed.
    pub(super) fn wanted(headers: &HeaderMap, is_enabled: bool) -> Self {
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let accepted: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
        if is_enabled { Self::accepted(&accepted) } else { Self::Identity }
    }

    fn accepted(codings: &[&str]) -> Self {
        let weights: Vec<(&str, f32)> = codings.iter().copied().filter_map(coding).collect();
        let listed = |names: &[&str]| {
            let is_it = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
            weights.iter().find(|(name, _)| is_it(name)).map(|(_, weight)| *weight)
        };
        let gzip = listed(&["gzip", "x-gzip"]).or_else(|| listed(&["*"])).unwrap_or(0.0);
        let identity = listed(&["identity"]).unwrap_or(0.0);
        if gzip > 0.0 && gzip >= identity { Self::Gzip } else { Self::Identity }
    }

    /// Headers of an answer in this encoding.
    pub(super) fn headers(self) -> Vec<(HeaderName, HeaderValue)> {
        let encoding = match self {
            Self::Identity => None,
            Self::Gzip => Some((CONTENT_ENCODING, HeaderValue::from_static("gzip"))),
        };
        // Caches must not give one client the answer of another.
        let vary = (VARY, HeaderValue::from_static("accept, accept-encoding"));
        encoding.into_iter().chain([vary]).collect()
    }
}

/// Name and weight of one element of a header; `None` for an invalid one.
fn coding(element: &str) -> Option<(&str, f32)> {
    let mut parts = element.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = weight.map_or(Some(1.0), |weight| weight.trim().parse().ok())?;
    (0.0..=1.0).contains(&weight).then_some((name, weight))
}

/// Compresses parts of an answer, each as soon as it is there.
pub(super) struct Gzip {
    encoder: GzEncoder<Vec<u8>>,
}

impl Gzip {
    pub(super) fn new() -> Self {
        // The fastest level: a text of a hundred samples per series is a thirtieth at any level.
        Self { encoder: GzEncoder::new(Vec::new(), Compression::fast()) }
    }

    /// Compresses a part. Returns the bytes that are complete, possibly none.
    pub(super) fn part(&mut self, part: &[u8]) -> Vec<u8> {
        // Writing to memory cannot fail.
        let _ = self.encoder.write_all(part);
        std::mem::take(self.encoder.get_mut())
    }

    /// Ends the answer. Returns its last bytes.
    pub(super) fn end(self) -> Vec<u8> {
        self.encoder.finish().unwrap_or_default()
    }
}

/// Compresses a whole answer. Returns the encoding that it has then: small ones stay as they are.
pub(super) fn whole(encoding: Encoding, body: Vec<u8>) -> (Encoding, Vec<u8>) {
    if encoding == Encoding::Identity || body.len() < BYTES_MIN {
        return (Encoding::Identity, body);
    }
    let mut gzip = Gzip::new();
    let mut compressed = gzip.part(&body);
    compressed.extend(gzip.end());
    (Encoding::Gzip, compressed)
}

#[cfg(test)]
mod tests {
    use super::{Encoding, Gzip, whole};
    use flate2::read::GzDecoder;
    use std::io::Read;

    #[track_caller]
    fn check(header: &str, expected: Encoding) {
        let codings: Vec<&str> = header.split(',').collect();
        assert_eq!(Encoding::accepted(&codings), expected, "{header}");
    }

    #[test]
    fn gzip_is_used_where_it_is_accepted_and_not_worse_than_identity() {
        for header in ["gzip", "deflate, GZIP;q=0.5", "*", "x-gzip", "gzip;q=0.5, identity;q=0.5", "*;q=0.1"]
        {
            check(header, Encoding::Gzip);
        }
        for header in [
            "",
            "identity",
            "deflate, br",
            "gzip;q=0",
            "gzip;q=0, *;q=1",
            "gzip;q=0.1, identity;q=0.9",
            "gzip;q=x",
            "gzip;q=7",
            "identity;q=0",
        ] {
            check(header, Encoding::Identity);
        }
    }

    fn decompressed(bytes: &[u8]) -> Vec<u8> {
        let mut whole = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut whole).unwrap();
        whole
    }

    #[test]
    fn parts_are_one_stream_and_leave_before_the_end() {
        let digits = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string();
        let part = |part: u64| (part * 10_000..(part + 1) * 10_000).map(digits).collect::<String>();
        let parts: Vec<Vec<u8>> = (0..5).map(|number| part(number).into_bytes()).collect();
        let mut gzip = Gzip::new();
        let mut compressed: Vec<Vec<u8>> = parts.iter().map(|part| gzip.part(part)).collect();
        assert!(compressed.iter().filter(|part| !part.is_empty()).count() > 2);
        compressed.push(gzip.end());
        assert_eq!(decompressed(&compressed.concat()), parts.concat());
    }

    #[test]
    fn a_small_answer_stays_as_it_is() {
        assert_eq!(whole(Encoding::Gzip, b"[]".to_vec()), (Encoding::Identity, b"[]".to_vec()));
        let long = b"[1, 2, 3]".repeat(1_000);
        let (encoding, bytes) = whole(Encoding::Gzip, long.clone());
        assert!(encoding == Encoding::Gzip && bytes.len() < long.len() / 20);
        assert_eq!(decompressed(&bytes), long);
        assert_eq!(whole(Encoding::Identity, long.clone()).1, long);
    }
}
