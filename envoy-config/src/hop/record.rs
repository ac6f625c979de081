//! Detects the first application data of a TLS client.
//!
//! In: the bytes of one client, in pieces of any size. Out: whether application data have begun.
//! Invariant: bytes that are not TLS are application data.

/// TLS record types (RFC 8446, 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Type, version, length.
const HEADER_BYTES: usize = 5;

/// State of the parser.
#[derive(Debug, Default)]
pub(super) struct ClientRecords {
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    body_bytes_left: usize,
    begun: bool,
}

impl ClientRecords {
    /// Parses the next bytes; true from the first byte of application data on.
    pub(super) fn application_data_begun(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !self.begun && !rest.is_empty() {
            rest = if self.body_bytes_left > 0 { self.pass_body(rest) } else { self.read_header(rest) };
        }
        self.begun
    }

    fn pass_body<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let passed = self.body_bytes_left.min(bytes.len());
        self.body_bytes_left -= passed;
        bytes.get(passed..).unwrap_or_default()
    }

    fn read_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some((byte, rest)) = bytes.split_first() else { return bytes };
        if let Some(slot) = self.header.get_mut(self.header_bytes) {
            *slot = *byte;
            self.header_bytes += 1;
        }
        let [kind, _, _, high, low] = self.header;
        self.begun = !matches!(kind, CHANGE_CIPHER_SPEC | ALERT | HANDSHAKE);
        if self.header_bytes == HEADER_BYTES {
            self.header_bytes = 0;
            self.body_bytes_left = usize::from(u16::from_be_bytes([high, low]));
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Index of the byte with which application data begin, in the smallest and in the largest
    /// pieces.
    fn check(bytes: &[u8], expected: Option<usize>) {
        let mut records = ClientRecords::default();
        let begun = (0..bytes.len()).find(|at| records.application_data_begun(&bytes[*at..=*at]));
        assert_eq!(begun, expected);
        assert_eq!(ClientRecords::default().application_data_begun(bytes), expected.is_some());
    }

    #[test]
    fn application_data_begin_with_the_first_record_of_another_type() {
        let hello = [22, 3, 1, 0, 3, 23, 23, 23];
        let change = [20, 3, 3, 0, 1, 1];
        let finished = [23, 3, 3, 0, 2, 9, 9];
        check(&hello, None);
        check(&[&hello[..], &change].concat(), None);
        check(&[&hello[..], &change, &finished].concat(), Some(14));
        check(&[&hello[..], &hello, &finished].concat(), Some(16));
        check(&[22, 3, 3, 0, 0, 23], Some(5));
        check(b"GET / HTTP/1.1", Some(0));
        check(b"", None);
    }
}
