//! Rejection of a whole batch: reason, label, and advice for the client. An invalid row is rejected
//! alone: [`RowReason`](crate::batch::RowReason).
//!
//! Invariant: every rejection has a label of [`Rejection::LABELS`], so that the counter exports a
//! reason before its first occurrence.

/// Reason for rejecting a batch. The text completes "failed to accept the batch: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Unsupported schema version.
    #[error("schema_version {0} is not supported; this collector reads version 1")]
    SchemaVersion(u32),
    /// Missing or too long name of the proxy.
    #[error("proxy has {0} bytes, not 1 to 512")]
    Proxy(usize),
    /// Epoch 0.
    #[error("epoch is 0")]
    Epoch,
    /// Sequence number 0.
    #[error("sequence is 0")]
    Sequence,
    /// Missing or inconsistent totals.
    #[error("ledger {0}")]
    Ledger(&'static str),
    /// Identity over a limit.
    #[error("identity.{field} {problem}")]
    Identity {
        /// Field of the identity.
        field: &'static str,
        /// Description of the problem.
        problem: &'static str,
    },
    /// Invalid table of strings.
    #[error("strings[{index}] {problem}")]
    Strings {
        /// Entry of the table.
        index: usize,
        /// Description of the problem.
        problem: &'static str,
    },
    /// Column longer or shorter than the first one.
    #[error("records.{field} has {found} entries, but records.edge has {expected}")]
    Columns {
        /// Name of the column.
        field: &'static str,
        /// Length of the column.
        found: usize,
        /// Length of the first column.
        expected: usize,
    },
    /// Table with too many rows.
    #[error("{field} has {found} entries; the limit is {limit}")]
    TooMany {
        /// Name of the table.
        field: &'static str,
        /// Size of the table.
        found: usize,
        /// Maximum size.
        limit: usize,
    },
    /// Message over the size limit, which is not decoded.
    #[error("the message is larger than {0} bytes")]
    TooLarge(usize),
    /// Bytes that are not a message of the contract.
    #[error("the message is not a valid batch: {0}")]
    Malformed(String),
    /// Too many concurrent reports.
    #[error("too many reports are in flight")]
    Busy,
    /// Table of proxies or epochs that is full.
    #[error("the table of {0} is full")]
    Full(&'static str),
    /// Journal that cannot be written.
    #[error("the journal cannot be written; see the log of the collector for the cause")]
    JournalFailing,
    /// Journal at its size limit, because no snapshot could be written.
    #[error("the journal is full: {0} bytes")]
    JournalFull(u64),
    /// Journal queue at its limit.
    #[error("the journal queue is full: {0} bytes")]
    JournalBusy(u64),
    /// Collector that is shutting down.
    #[error("the collector is stopping")]
    Stopping,
    /// Certificate of the connection that does not authorize the claimed identity; holds the
    /// reason.
    #[error("{0}")]
    IdentityMismatch(String),
    /// Message rate over the limit of the connection or of the collector.
    #[error("too many messages per second")]
    Rate,
    /// Too many bytes of concurrent messages.
    #[error("too many bytes are in flight")]
    Bytes,
    /// Message that did not arrive in time.
    #[error("the message took longer than {0} ms to arrive")]
    Slow(u64),
    /// Call that the client ended before the message was complete.
    #[error("the call ended before the message was complete")]
    Aborted,
    /// Too many concurrent streams.
    #[error("too many streams are open")]
    Streams,
}

/// Recommended reaction of a client to a rejection; see the statuses of `Telemetry.Report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Discard the batch: it violates the contract.
    GiveUp,
    /// Discard the batch, and send smaller ones.
    MakeSmaller,
    /// Upgrade the collector or the client: the collector does not support the schema version.
    Upgrade,
    /// Keep the batch, and retry later.
    ComeBack,
    /// Keep the batch, and send it to another collector.
    GoElsewhere,
    /// Keep the batch until an operator corrects the authorization.
    AskOperator,
}

impl Rejection {
    /// Every value of [`Rejection::label`].
    pub const LABELS: [&'static str; 23] = [
        "schema_version",
        "proxy",
        "epoch",
        "sequence",
        "ledger",
        "identity",
        "strings",
        "columns",
        "too_many",
        "too_large",
        "malformed",
        "busy",
        "full",
        "journal_failing",
        "journal_full",
        "journal_busy",
        "stopping",
        "identity_mismatch",
        "rate",
        "bytes",
        "slow",
        "aborted",
        "streams",
    ];

    /// Returns the value of the label `reason` of `hopscope_grpc_reports_rejected_total`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::SchemaVersion(_) => "schema_version",
            Self::Proxy(_) => "proxy",
            Self::Epoch => "epoch",
            Self::Sequence => "sequence",
            Self::Ledger(_) => "ledger",
            Self::Identity { .. } => "identity",
            Self::Strings { .. } => "strings",
            Self::Columns { .. } => "columns",
            Self::TooMany { .. } => "too_many",
            Self::TooLarge(_) => "too_large",
            Self::Malformed(_) => "malformed",
            Self::Busy => "busy",
            Self::Full(_) => "full",
            Self::JournalFailing => "journal_failing",
            Self::JournalFull(_) => "journal_full",
            Self::JournalBusy(_) => "journal_busy",
            Self::Stopping => "stopping",
            Self::IdentityMismatch(_) => "identity_mismatch",
            Self::Rate => "rate",
            Self::Bytes => "bytes",
            Self::Slow(_) => "slow",
            Self::Aborted => "aborted",
            Self::Streams => "streams",
        }
    }

    /// Returns the recommended reaction of the client.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::SchemaVersion(_) => Advice::Upgrade,
            Self::TooLarge(_) | Self::TooMany { .. } => Advice::MakeSmaller,
            Self::Busy
            | Self::Full(_)
            | Self::JournalFailing
            | Self::JournalFull(_)
            | Self::JournalBusy(_)
            | Self::Rate
            | Self::Bytes
            | Self::Slow(_)
            | Self::Aborted
            | Self::Streams => Advice::ComeBack,
            Self::Stopping => Advice::GoElsewhere,
            Self::IdentityMismatch(_) => Advice::AskOperator,
            _ => Advice::GiveUp,
        }
    }
}
