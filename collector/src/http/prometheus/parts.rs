//! Bytes that are handed over in parts.
//!
//! Invariant: a part is handed over once it has [`PART_BYTES`]; after the receiver has gone, none
//! is.

/// Size from which a part is handed over.
pub(super) const PART_BYTES: usize = 256 << 10;
/// Capacity of a part: with the sample that completes it.
const CAPACITY: usize = PART_BYTES + (4 << 10);

/// Receiver of parts; returns `false` when it needs no more of them.
pub(crate) type Sink<'a> = dyn FnMut(Vec<u8>) -> bool + 'a;

/// Bytes on their way to a receiver.
pub(super) struct Parts<'a> {
    /// The part that is being written.
    pub(super) bytes: Vec<u8>,
    sink: &'a mut Sink<'a>,
    stopped: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn new(sink: &'a mut Sink<'a>) -> Self {
        Self { bytes: Vec::with_capacity(CAPACITY), sink, stopped: false }
    }

    /// Whether the receiver has gone.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Hands the part over if it is complete.
    #[inline]
    pub(super) fn hand_over(&mut self) {
        if self.bytes.len() >= PART_BYTES {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub(super) fn flush(&mut self) {
        if !self.stopped {
            let part = std::mem::replace(&mut self.bytes, Vec::with_capacity(CAPACITY));
            self.stopped = !(self.sink)(part);
        }
    }
}
