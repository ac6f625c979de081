//! What the two sides of a hop say together.
//!
//! In: how each side saw it end. Out: a [`Verdict`]. Always holds: the set is closed and every pair of endings has exactly
//! one verdict; what a single side tells is a loss only where the other side should have told something.

use super::ending::Ending;

/// What a hop says. One per request of a caller, retries included; one per record of a called side that no caller told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Both sides tell the same end.
    Agreed,
    /// Both tell of the failure, and it lies behind the called proxy: its application refused, broke off, or did not answer.
    DestinationFailed,
    /// The caller got a good answer, and not at the first attempt.
    SucceededAfterRetry,
    /// The caller's proxy called nobody (refused, no endpoint, no route, a limit, a policy), so nobody else can tell.
    NotForwarded,
    /// The caller waited in vain, and nothing arrived at the other side.
    RequestLost,
    /// The request arrived only after the caller had given up.
    RequestLate,
    /// The caller gave up while the other side still worked.
    CallerGaveUp,
    /// The other side answered, and the caller had given up before the answer was there.
    ResponseLate,
    /// The other side answered, and the connection broke before the answer was there.
    ResponseLost,
    /// Both sides were there, and the connection between them was cut before there was an answer.
    ConnectionCut,
    /// The connection was cut, and the other side left no record: its proxy was killed in the middle of the request, or
    /// never took the connection (plain text to a port that wants mutual TLS).
    DestinationDown,
    /// The two sides contradict each other in a way that none of the causes above explains.
    Contradictory,
    /// One side tells of a finished request, and the other side, which tells of others, does not; no loss is known.
    RecordMissing,
    /// The same, and the other side is known to have lost, folded or not yet delivered records in that time.
    TelemetryLost,
    /// The other side never tells: external services, peers without a proxy.
    PeerNotInstrumented,
    /// Several requests under one id, and which belongs to which decides between verdicts.
    Ambiguous,
}

impl Verdict {
    /// Every verdict, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::Agreed,
        Self::DestinationFailed,
        Self::SucceededAfterRetry,
        Self::NotForwarded,
        Self::RequestLost,
        Self::RequestLate,
        Self::CallerGaveUp,
        Self::ResponseLate,
        Self::ResponseLost,
        Self::ConnectionCut,
        Self::DestinationDown,
        Self::Contradictory,
        Self::RecordMissing,
        Self::TelemetryLost,
        Self::PeerNotInstrumented,
        Self::Ambiguous,
    ];

    /// As the label `verdict` says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::DestinationFailed => "destination_failed",
            Self::SucceededAfterRetry => "succeeded_after_retry",
            Self::NotForwarded => "not_forwarded",
            Self::RequestLost => "request_lost",
            Self::RequestLate => "request_late",
            Self::CallerGaveUp => "caller_gave_up",
            Self::ResponseLate => "response_late",
            Self::ResponseLost => "response_lost",
            Self::ConnectionCut => "connection_cut",
            Self::DestinationDown => "destination_down",
            Self::Contradictory => "contradictory",
            Self::RecordMissing => "record_missing",
            Self::TelemetryLost => "telemetry_lost",
            Self::PeerNotInstrumented => "peer_not_instrumented",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// Whether the two sides tell different stories of one request, by more than is explained by how the hop is built or
    /// by telemetry that is known to be lost. Without faults there is none.
    #[must_use]
    pub fn is_disagreement(self) -> bool {
        match self {
            Self::RequestLost
            | Self::RequestLate
            | Self::CallerGaveUp
            | Self::ResponseLate
            | Self::ResponseLost
            | Self::ConnectionCut
            | Self::DestinationDown
            | Self::Contradictory
            | Self::RecordMissing => true,
            Self::Agreed
            | Self::DestinationFailed
            | Self::SucceededAfterRetry
            | Self::NotForwarded
            | Self::TelemetryLost
            | Self::PeerNotInstrumented
            | Self::Ambiguous => false,
        }
    }

    /// The verdict with this label.
    #[must_use]
    pub fn find(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.label() == label)
    }

    /// What two records of one hop say.
    pub(super) fn of_pair(pair: &Pair) -> Self {
        let Pair { source, destination, same_answer, retried, began_after } = *pair;
        // The called proxy names trouble of its own with the one that it called.
        let behind = matches!(destination, Ending::NotForwarded | Ending::TimedOut | Ending::Reset);
        let gone = matches!(destination, Ending::CallerGaveUp | Ending::Silent);
        match source {
            Ending::Ok if behind && same_answer => Self::DestinationFailed,
            Ending::Error | Ending::Reset if behind => Self::DestinationFailed,
            Ending::Ok if retried => Self::SucceededAfterRetry,
            Ending::Ok | Ending::Error if source == destination => Self::Agreed,
            // `max_stream_duration` gives no flag, only its 504.
            Ending::Error if destination == Ending::CallerGaveUp => Self::CallerGaveUp,
            Ending::Error | Ending::Reset if gone => Self::ConnectionCut,
            Ending::Ok | Ending::Error => Self::Contradictory,
            Ending::Reset => Self::ResponseLost,
            Ending::NotForwarded => Self::NotForwarded,
            Ending::TimedOut if gone && began_after => Self::RequestLate,
            Ending::TimedOut if gone => Self::CallerGaveUp,
            // The caller's own client went away, and both sides know.
            Ending::CallerGaveUp | Ending::Silent if gone || same_answer => Self::Agreed,
            Ending::TimedOut | Ending::CallerGaveUp | Ending::Silent => Self::ResponseLate,
        }
    }

    /// What the record of a caller says when the other side tells nothing.
    pub(super) fn of_source(source: Ending) -> Self {
        match source {
            Ending::Ok | Ending::Error => Self::RecordMissing,
            Ending::NotForwarded => Self::NotForwarded,
            Ending::TimedOut => Self::RequestLost,
            Ending::Reset => Self::DestinationDown,
            Ending::CallerGaveUp | Ending::Silent => Self::CallerGaveUp,
        }
    }

    /// What the record of a called side says when no caller tells anything.
    pub(super) fn of_destination(destination: Ending) -> Self {
        match destination {
            Ending::CallerGaveUp | Ending::Silent => Self::CallerGaveUp,
            Ending::Ok | Ending::Error | Ending::NotForwarded | Ending::TimedOut | Ending::Reset => {
                Self::RecordMissing
            }
        }
    }

    pub(super) fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Ambiguous)
    }
}

/// The two records that decide a hop: the caller's, and that of its last attempt at the called side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) source: Ending,
    pub(super) destination: Ending,
    /// Both carry the same HTTP and gRPC status.
    pub(super) same_answer: bool,
    /// The caller made more than one attempt.
    pub(super) retried: bool,
    /// The called side began only when the caller had ended.
    pub(super) began_after: bool,
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn numbers_and_labels_are_places() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_number(verdict.number()), verdict);
            assert_eq!(Verdict::find(verdict.label()), Some(verdict));
        }
        assert_eq!(Verdict::find("lost"), None);
    }
}
