//! The decoder of acknowledgements.
//!
//! Invariant: messages that prost writes are read as prost reads them, unknown fields are skipped,
//! and no input causes a panic. prost's decoder of any message is 2 kB of code in each proxy, and
//! this is the only message that a filter reads.

use hopscope_proto::v1::Ack;

/// Field numbers, with the wire type of an integer.
const ACCEPTED_SEQUENCE: u64 = 1 << 3;
const NEED_IDENTITY: u64 = 2 << 3;
const BACKOFF_MS: u64 = 3 << 3;

/// Decodes an acknowledgement; `None` for invalid bytes.
pub(super) fn read(mut message: &[u8]) -> Option<Ack> {
    let mut ack = Ack::default();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        // The wire type: integer, 64 bits, length-delimited, 32 bits.
        let skipped = match tag & 7 {
            0 => {
                let value = varint(&mut message)?;
                match tag {
                    ACCEPTED_SEQUENCE => ack.accepted_sequence = value,
                    NEED_IDENTITY => ack.need_identity = value != 0,
                    BACKOFF_MS => ack.backoff_ms = u32::try_from(value).unwrap_or(u32::MAX),
                    _ => {}
                }
                0
            }
            1 => 8,
            2 => varint(&mut message)?,
            5 => 4,
            _ => return None,
        };
        message = message.get(usize::try_from(skipped).ok()?..)?;
    }
    Some(ack)
}

/// Removes a varint from the front: seven bits in each byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::read;
    use hopscope_proto::v1::Ack;
    use prost::Message;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// An acknowledgement of a later version.
    #[derive(Clone, PartialEq, Message)]
    struct Later {
        #[prost(uint64, tag = "1")]
        accepted_sequence: u64,
        #[prost(string, tag = "7")]
        text: String,
        #[prost(fixed64, tag = "8")]
        wide: u64,
        #[prost(fixed32, tag = "300")]
        narrow: u32,
        #[prost(uint64, tag = "9")]
        number: u64,
    }

    #[test]
    fn messages_of_prost_are_read() {
        for accepted_sequence in [0, 1, 127, 128, 1 << 35, u64::MAX] {
            for (need_identity, backoff_ms) in [(false, 0), (true, 1), (true, u32::MAX)] {
                let ack = Ack { accepted_sequence, need_identity, backoff_ms };
                assert_eq!(read(&ack.encode_to_vec()), Some(ack));
            }
        }
        let later =
            Later { accepted_sequence: 5, text: "x".repeat(200), wide: 1, narrow: 2, number: u64::MAX };
        assert_eq!(read(&later.encode_to_vec()), Some(Ack { accepted_sequence: 5, ..Ack::default() }));
    }

    /// Every prefix of a message, and every byte of it changed, is read as prost reads it.
    #[test]
    fn changed_bytes_are_read_as_prost_reads_them() {
        let later = Later { accepted_sequence: 300, text: "text".into(), wide: 1, narrow: 2, number: 3 };
        let good = later.encode_to_vec();
        let mut inputs: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
        for position in 0..good.len() {
            for byte in 0..=u8::MAX {
                let mut bad = good.clone();
                bad[position] = byte;
                inputs.push(bad);
            }
        }
        for input in inputs {
            let (own, prost) = (read(&input), Ack::decode(input.as_slice()));
            // Groups, a deprecated encoding, are read by prost only.
            if let (Some(own), Ok(prost)) = (own, prost) {
                assert_eq!(own, prost, "{input:?}");
            }
        }
    }
}
