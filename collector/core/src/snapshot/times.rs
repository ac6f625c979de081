//! Receive time of a batch and the time window of its requests, as stored with it in the journal.

/// Receive time of a message and the accepted time window of its requests, in microseconds since
/// the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Receive time of the message.
    pub received_us: u64,
    /// Earliest accepted end of a request.
    pub first_us: u64,
    /// Latest accepted start of a request.
    pub last_us: u64,
}
