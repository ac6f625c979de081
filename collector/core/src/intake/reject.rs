//! Why a batch is not taken.
//!
//! In: what a check found. Out: a text for the writer, a label for the counter, and what the writer should do. Always
//! holds: every refusal has a label of [`Rejection::LABELS`], so that the counter shows a reason before its first case.

/// Why a batch was refused. The text fits "failed to take the batch: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The writer speaks another version of the contract.
    #[error("schema_version is {0}, and this collector reads 1")]
    SchemaVersion(u32),
    /// The name of the proxy is missing or too long.
    #[error("proxy has {0} bytes, not 1 to 512")]
    Proxy(usize),
    /// The epoch is 0.
    #[error("epoch is 0")]
    Epoch,
    /// The sequence is 0.
    #[error("sequence is 0")]
    Sequence,
    /// The totals are missing or contradict themselves.
    #[error("ledger {0}")]
    Ledger(&'static str),
    /// The identity is over a limit.
    #[error("identity.{field} {problem}")]
    Identity {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The table of strings breaks its rules.
    #[error("strings[{index}] {problem}")]
    Strings {
        /// Which entry.
        index: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An index points outside its table.
    #[error("{field}[{row}] points to entry {index} of a table of {size}")]
    Index {
        /// Which field.
        field: &'static str,
        /// Which row of it.
        row: usize,
        /// The index that is too large.
        index: u32,
        /// The size of the table.
        size: usize,
    },
    /// A column is longer or shorter than the first.
    #[error("records.{field} has {found} entries, and records.edge has {expected}")]
    Columns {
        /// Which column.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The length of the first column.
        expected: usize,
    },
    /// A table has more rows than is allowed.
    #[error("{field} has {found} entries, and {limit} are allowed")]
    TooMany {
        /// Which table.
        field: &'static str,
        /// Its size.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A time overflows, or is too far from the collector's clock.
    #[error("{field}[{row}] {problem}")]
    Time {
        /// Which field.
        field: &'static str,
        /// Which row of it.
        row: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A duration of 7 days or more.
    #[error("{field}[{row}] is {duration_us} us, 7 days or more")]
    Duration {
        /// Which field.
        field: &'static str,
        /// Which row of it.
        row: usize,
        /// The duration.
        duration_us: u64,
    },
    /// A fold row that counts nothing or contradicts its histogram.
    #[error("folds[{row}] {problem}")]
    Fold {
        /// Which row.
        row: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Open requests that contradict themselves.
    #[error("open[{row}] {problem}")]
    Open {
        /// Which entry.
        row: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A status that is none.
    #[error("outcomes[{row}].response_code is {code}, not 0 or 100 to 999")]
    ResponseCode {
        /// Which row.
        row: usize,
        /// The code.
        code: u32,
    },
    /// A side of the call that this collector does not know.
    #[error("edges[{row}].reporter is {number}, which this collector does not know")]
    Reporter {
        /// Which row.
        row: usize,
        /// Its number on the wire.
        number: i32,
    },
    /// The message is over the size limit; it was never decoded.
    #[error("the message is larger than {0} bytes")]
    TooLarge(usize),
    /// The bytes are no message of the contract.
    #[error("the bytes are no batch: {0}")]
    Malformed(String),
    /// As many reports are in flight as the collector allows.
    #[error("too many reports are in flight already")]
    Busy,
    /// A table of the collector has no room for another proxy or epoch.
    #[error("the table of {0} is full")]
    Full(&'static str),
    /// The journal cannot be written.
    #[error("the journal cannot be written now; the log of the collector says why")]
    JournalFailing,
    /// The journal holds as much as it may, and no checkpoint could be written.
    #[error("the journal holds {0} bytes already")]
    JournalFull(u64),
    /// As much waits for the disk as may.
    #[error("{0} bytes wait for the journal already")]
    JournalBusy(u64),
    /// The collector stops.
    #[error("the collector is stopping")]
    Stopping,
    /// The certificate of the connection does not authorize for what is claimed: how.
    #[error("{0}")]
    IdentityMismatch(String),
    /// More messages in a second than are allowed, on this connection or in total.
    #[error("too many messages in a second")]
    Rate,
    /// No room for the bytes of the message.
    #[error("too many bytes are in flight already")]
    Bytes,
    /// The message did not arrive in time.
    #[error("the message took longer than {0} ms to arrive")]
    Slow(u64),
    /// The client ended the call before its message was there.
    #[error("the call ended before its message was there")]
    Aborted,
    /// As many streams without end are open as are allowed.
    #[error("too many streams are open already")]
    Streams,
}

/// What a writer should do about a refusal; the statuses of `Telemetry.Report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Give the batch up: it contradicts the contract.
    GiveUp,
    /// Give the batch up: it is too large.
    MakeSmaller,
    /// The collector cannot read this writer.
    Upgrade,
    /// SnapshotValue the batch and come back later.
    ComeBack,
    /// SnapshotValue the batch and look for another collector.
    GoElsewhere,
    /// SnapshotValue the batch until an operator has mended who may speak for whom.
    AskOperator,
}

impl Rejection {
    /// Every value that [`Rejection::label`] can take.
    pub const LABELS: [&'static str; 30] = [
        "schema_version",
        "proxy",
        "epoch",
        "sequence",
        "ledger",
        "identity",
        "strings",
        "index",
        "columns",
        "too_many",
        "time",
        "duration",
        "fold",
        "open",
        "response_code",
        "reporter",
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

    /// The value of label `reason` of `hopscope_grpc_reports_rejected_total`.
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
            Self::Index { .. } => "index",
            Self::Columns { .. } => "columns",
            Self::TooMany { .. } => "too_many",
            Self::Time { .. } => "time",
            Self::Duration { .. } => "duration",
            Self::Fold { .. } => "fold",
            Self::Open { .. } => "open",
            Self::ResponseCode { .. } => "response_code",
            Self::Reporter { .. } => "reporter",
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

    /// What the writer should do about it.
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
