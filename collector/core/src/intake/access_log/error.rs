//! Reasons for skipped entries, and errors of a stream.

use crate::intake::proto_fields::InvalidField;

/// Reason why an entry yields no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// Entry of a request that is still in flight.
    Unfinished,
    /// Entry of one upstream attempt, which the entry of the request includes.
    Upstream,
    /// Invalid encoding.
    Malformed,
    /// Missing start time: no request.
    Time,
    /// Entry of a type that this collector does not know, or of UDP.
    UnsupportedType,
}

impl Skip {
    /// Every value of the label `reason` of `hopscope_access_log_entries_skipped_total`, in the
    /// order of the variants.
    pub const LABELS: [&'static str; 5] = ["unfinished", "upstream", "malformed", "time", "unsupported_type"];

    /// Whether a finished request is missing from the counts because of the skipped entry.
    pub(super) fn loses_request(self) -> bool {
        matches!(self, Self::Malformed | Self::Time)
    }
}

/// Error of reading a message. The text completes "failed to read the message: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Bytes that are not a message of the service.
    #[error("the message is not a valid access log message: {0}")]
    Malformed(&'static str),
    /// Missing identifier: the proxy is unknown.
    #[error("the first message of a stream has no identifier")]
    MissingIdentifier,
}

impl From<InvalidField> for Error {
    fn from(InvalidField(problem): InvalidField) -> Self {
        Self::Malformed(problem)
    }
}
