//! Verdict of a hop: the cause that explains the reports of both sides.
//!
//! In: how each side saw the request end. Out: a [`Verdict`].
//! Invariant: the set is closed, and each pair of endings has exactly one verdict. A missing record
//! counts as a loss only if the other side is expected to report.

use super::ending::Ending;

/// Verdict of a hop. A source request with all its retries is one hop; so is a destination record
/// without a source record.
///
/// Response flags in these docs are Envoy's short names. "Response" means a response from upstream,
/// with any status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Both sides report the same response, or both report that the downstream client of the source
    /// disconnected.
    Agreed,
    /// Both sides report the failure, and the destination's response flags place it behind its
    /// proxy: the application refused or reset the connection (UF, UC), violated the protocol
    /// (UPE), or did not respond in time (UT).
    DestinationFailed,
    /// The source reports success after more than one attempt. Earlier attempts may have failed at
    /// the destination.
    SucceededAfterRetry,
    /// The source's proxy sent nothing upstream: no healthy endpoint (UH), connection failure (UF),
    /// no route (NR), a circuit breaker (UO), a rate limit (RL), or a policy (UAEX; RBAC, without a
    /// flag). No record of the destination is expected.
    NotForwarded,
    /// The source reports a timeout (UT); the destination has no record. The request did not
    /// arrive.
    RequestLost,
    /// The source reports a timeout (UT); the destination reports a request that began after this
    /// timeout and ended without a response. The request arrived too late.
    RequestLate,
    /// The source reports a timeout (UT, or 504 from `max_stream_duration`, which sets no flag);
    /// the destination reports a downstream disconnect (DC, DR) while it processed the request.
    /// Also: the only record reports a downstream disconnect, or neither response nor flag.
    CallerGaveUp,
    /// The source reports a timeout (UT) or a downstream disconnect (DC); the destination reports a
    /// response. The response arrived too late.
    ResponseLate,
    /// The source reports an upstream reset (UC, UR); the destination reports a response. The
    /// connection failed before the response arrived.
    ResponseLost,
    /// The source reports an upstream reset (UC, UR) or an error; the destination reports a
    /// downstream disconnect (DC) or no response. The connection between both proxies failed during
    /// the request.
    ConnectionCut,
    /// The source reports an upstream reset (UC, UR); the destination has no record. The
    /// destination's proxy was killed during the request, or rejected the connection (plain text to
    /// a port that requires mutual TLS).
    DestinationDown,
    /// Both sides report different responses, and no other verdict explains the difference.
    Contradictory,
    /// One side reports a finished request; the other side, which reports other requests, has no
    /// record. No loss of telemetry is known.
    RecordMissing,
    /// One side has no record, and is known to have lost, folded or not yet delivered records at
    /// that time; or it has responded, and its proxy is not known to have reported that time: it is
    /// silent, or was killed or replaced.
    TelemetryLost,
    /// The other side never reports: an external service, or a workload without a proxy.
    PeerNotInstrumented,
    /// Several requests share one id, and different pairings give different verdicts.
    Ambiguous,
}

impl Verdict {
    /// All verdicts, in the order of their numbers.
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

    /// Value of the label `verdict`.
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

    /// Whether both sides contradict each other by more than retries, the position of the failure,
    /// and known loss of telemetry explain. Without faults no hop has such a verdict.
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

    /// Returns the verdict with this label.
    #[must_use]
    pub fn find(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.label() == label)
    }

    /// Returns the verdict of two records.
    pub(super) fn of_pair(pair: &Pair) -> Self {
        let Pair { source, destination, same_response, retried, began_after } = *pair;
        // These flags of the destination's proxy describe its own upstream, the application.
        let behind = matches!(destination, Ending::NotForwarded | Ending::TimedOut | Ending::Reset);
        let gone = matches!(destination, Ending::CallerGaveUp | Ending::Silent);
        match source {
            Ending::Ok if behind && same_response => Self::DestinationFailed,
            Ending::Error | Ending::Reset if behind => Self::DestinationFailed,
            Ending::Ok if retried => Self::SucceededAfterRetry,
            Ending::Ok | Ending::Error if source == destination => Self::Agreed,
            // `max_stream_duration` sets no response flag, only status 504.
            Ending::Error if destination == Ending::CallerGaveUp => Self::CallerGaveUp,
            Ending::Error | Ending::Reset if gone => Self::ConnectionCut,
            Ending::Ok | Ending::Error => Self::Contradictory,
            Ending::Reset => Self::ResponseLost,
            Ending::NotForwarded => Self::NotForwarded,
            Ending::TimedOut if gone && began_after => Self::RequestLate,
            Ending::TimedOut if gone => Self::CallerGaveUp,
            // The downstream client of the source disconnected, and both sides report this.
            Ending::CallerGaveUp | Ending::Silent if gone || same_response => Self::Agreed,
            Ending::TimedOut | Ending::CallerGaveUp | Ending::Silent => Self::ResponseLate,
        }
    }

    /// Returns the verdict of a source record without a destination record.
    pub(super) fn of_source(source: Ending) -> Self {
        match source {
            Ending::Ok | Ending::Error => Self::RecordMissing,
            Ending::NotForwarded => Self::NotForwarded,
            Ending::TimedOut => Self::RequestLost,
            Ending::Reset => Self::DestinationDown,
            Ending::CallerGaveUp | Ending::Silent => Self::CallerGaveUp,
        }
    }

    /// Returns the verdict of a destination record without a source record.
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

/// The records that decide a hop: the source's, and the destination's for its last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) source: Ending,
    pub(super) destination: Ending,
    /// Whether both records have the same HTTP and gRPC status.
    pub(super) same_response: bool,
    /// Whether the source made more than one attempt.
    pub(super) retried: bool,
    /// Whether the destination began after the source had ended.
    pub(super) began_after: bool,
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn numbers_and_labels_round_trip() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_number(verdict.number()), verdict);
            assert_eq!(Verdict::find(verdict.label()), Some(verdict));
        }
        assert_eq!(Verdict::find("lost"), None);
    }
}
