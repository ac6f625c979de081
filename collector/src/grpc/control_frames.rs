//! Control frames: HTTP/2 frames that cost the server work and carry no message.
//!
//! In: the bytes that a connection receives after its preface. Out: the number of control frames
//! that begin in them: PING, SETTINGS, PRIORITY, unknown types, and empty DATA that does not end a
//! stream. Invariant: every byte is examined once; a head in several pieces is found.
//!
//! Source: RFC 9113, section 4.1, and CVE-2019-9512, -9513, -9515, -9518.

/// Control frames per second of one connection, with a burst of one second. gRPC clients send some
/// pings per second at most.
pub(super) const PER_SECOND_MAX: u64 = 200;

/// Bytes of the head of a frame.
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// Position within the frames of a connection.
#[derive(Debug, Default)]
pub(super) struct ControlFrames {
    head: [u8; HEAD_BYTES],
    /// Bytes of the head that have arrived.
    filled: usize,
    /// Bytes of the payload that have not arrived.
    payload: usize,
}

impl ControlFrames {
    /// Counts the control frames whose head ends in these bytes.
    pub(super) fn count(&mut self, mut bytes: &[u8]) -> u64 {
        let mut count = 0;
        loop {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            if bytes.is_empty() {
                return count;
            }
            let missing = self.head.get_mut(self.filled..).unwrap_or_default();
            let arrived = missing.len().min(bytes.len());
            missing.iter_mut().zip(bytes).for_each(|(into, byte)| *into = *byte);
            bytes = bytes.get(arrived..).unwrap_or_default();
            self.filled += arrived;
            if self.filled == HEAD_BYTES {
                self.filled = 0;
                let [a, b, c, kind, flags, ..] = self.head;
                self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
                count += u64::from(is_control(kind, flags, self.payload));
            }
        }
    }
}

fn is_control(kind: u8, flags: u8, payload: usize) -> bool {
    match kind {
        DATA => payload == 0 && flags & END_STREAM == 0,
        HEADERS | RST_STREAM | GOAWAY | WINDOW_UPDATE | CONTINUATION => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::ControlFrames;

    /// Frame of a kind with flags and a payload of so many bytes.
    fn frame(kind: u8, flags: u8, payload: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, payload, kind, flags, 0, 0, 0, 1];
        // A payload that looks like frames.
        frame.extend((0..payload).map(|byte| byte % 7));
        frame
    }

    #[test]
    fn control_frames_are_found_in_any_pieces() {
        let frames = [
            (frame(4, 0, 36), 1),
            (frame(1, 4, 50), 0),
            (frame(0, 0, 200), 0),
            (frame(0, 0, 0), 1),
            (frame(0, 1, 0), 0),
            (frame(8, 0, 4), 0),
            (frame(6, 0, 8), 1),
            (frame(3, 0, 4), 0),
            (frame(2, 0, 5), 1),
            (frame(77, 0, 0), 1),
        ];
        let expected: u64 = frames.iter().map(|(_, count)| count).sum();
        let bytes: Vec<u8> = frames.into_iter().flat_map(|(frame, _)| frame).collect();
        for piece in [1, 2, 3, 8, 9, 10, 64, bytes.len()] {
            let mut control = ControlFrames::default();
            let count: u64 = bytes.chunks(piece).map(|bytes| control.count(bytes)).sum();
            assert_eq!(count, expected, "pieces of {piece}");
        }
    }
}
