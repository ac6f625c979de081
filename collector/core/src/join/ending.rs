//! How a request ended for one side, in categories that both sides can be compared by.
//!
//! In: an outcome and its side. Out: an [`Ending`] and an [`Response`].
//! Invariant: every outcome has exactly one ending; an unknown response flag does not change it.
//!
//! Source: response flags that Envoy set for injected faults, on both sides of a hop.

use super::Side;
use crate::batch::{Outcome, Protocol};

const fn bits(list: &[u32]) -> u64 {
    let (mut bitmap, mut rest) = (0, list);
    while let [bit, more @ ..] = rest {
        bitmap |= 1 << *bit;
        rest = more;
    }
    bitmap
}

/// DC, DPE, DR: the downstream disconnected, or violated the protocol.
const GIVEN_UP: u64 = bits(&[14, 18, 28]);
/// UT, SI, UMSDR, DT: a timeout of this proxy.
const TIMED_OUT: u64 = bits(&[2, 16, 19, 22]);
/// LH, UH, UF, UO, NR, FI, RL, UAEX, RLSE, IH, RFCF, NFCF, NC, OM, DF, DO, UDO: the proxy sent
/// nothing upstream.
const UNREACHED: u64 = bits(&[0, 1, 5, 7, 8, 10, 11, 12, 13, 17, 20, 21, 24, 25, 26, 27, 29]);
/// LR, UR, UC, UPE: the upstream connection or stream failed.
const RESET: u64 = bits(&[3, 4, 6, 23]);

/// How a request ended as seen by one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ending {
    /// Response with a status below 500 and, for gRPC, status 0.
    Ok,
    /// Response with a status of 500 or more, or another gRPC status, from further upstream.
    Error,
    /// The proxy sent nothing upstream: no healthy endpoint, connection failure, no route, a limit,
    /// a policy.
    NotForwarded,
    /// A timeout of this proxy.
    TimedOut,
    /// The upstream connection or stream failed.
    Reset,
    /// The downstream disconnected.
    CallerGaveUp,
    /// No response status and no response flag.
    Silent,
}

impl Ending {
    /// All endings, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::Error,
        Self::NotForwarded,
        Self::TimedOut,
        Self::Reset,
        Self::CallerGaveUp,
        Self::Silent,
    ];

    /// Value in the matrix of endings.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::NotForwarded => "not_forwarded",
            Self::TimedOut => "timed_out",
            Self::Reset => "reset",
            Self::CallerGaveUp => "caller_gave_up",
            Self::Silent => "silent",
        }
    }

    /// Classifies an outcome as seen by `side`.
    #[must_use]
    pub fn of(outcome: &Outcome, side: Side) -> Self {
        let has = |flags| outcome.response_flags & flags != 0;
        let failed = outcome.is_error_response();
        if has(GIVEN_UP) {
            Self::CallerGaveUp
        } else if has(TIMED_OUT) {
            Self::TimedOut
        } else if has(UNREACHED) && (side == Side::Source || failed) {
            Self::NotForwarded
        } else if has(RESET) {
            Self::Reset
        } else if failed {
            Self::Error
        } else if outcome.response_code == 0 && outcome.protocol != Protocol::Tcp {
            Self::Silent
        } else {
            Self::Ok
        }
    }

    /// Whether a response from upstream arrived.
    pub(super) fn is_response(self) -> bool {
        matches!(self, Self::Ok | Self::Error)
    }

    pub(super) fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Silent)
    }
}

/// HTTP and gRPC status in one word, for comparison only; 0 without a response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Response(pub(super) u16);

impl Response {
    /// Packs the response of an outcome. gRPC statuses of 62 and more, which do not exist, count as
    /// one.
    pub(super) fn of(outcome: &Outcome) -> Self {
        let code = u16::try_from(outcome.response_code).unwrap_or(0) & 0x3ff;
        let grpc = outcome.grpc_status.map_or(0, |status| status.min(62) + 1);
        Self(if code == 0 { 0 } else { code | u16::try_from(grpc).unwrap_or(0) << 10 })
    }

    /// Whether both responses exist and are equal.
    pub(super) fn same(self, other: Self) -> bool {
        self.0 != 0 && self == other
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, Response, bits};
    use crate::batch::Outcome;
    use crate::batch::flags;
    use crate::join::Side;

    fn outcome(names: &str, response_code: u32) -> Outcome {
        let names = names.split(',').filter(|name| !name.is_empty());
        let response_flags = names.map(|name| bits(&[flags::find(name).unwrap().bit])).sum();
        Outcome { response_flags, response_code, ..Outcome::default() }
    }

    /// Asserts the endings of flags and a status code, for the source and for the destination.
    #[track_caller]
    fn check(names: &str, code: u32, expected: &str) {
        let outcome = outcome(names, code);
        let seen = [Side::Source, Side::Destination].map(|side| Ending::of(&outcome, side).label());
        assert_eq!(seen.join(" "), expected, "{names} {code}");
    }

    #[test]
    fn flags_and_status_determine_the_ending() {
        check("", 200, "ok ok");
        check("", 404, "ok ok");
        check("DI", 200, "ok ok");
        check("", 503, "error error");
        check("URX", 503, "error error");
        check("", 0, "silent silent");
        check("UF,URX", 503, "not_forwarded not_forwarded");
        check("UT,URX", 504, "timed_out timed_out");
        check("UC", 503, "reset reset");
        check("UPE", 200, "reset reset");
        check("DC", 0, "caller_gave_up caller_gave_up");
        check("DR", 200, "caller_gave_up caller_gave_up");
        // A deliberate rejection by the destination's proxy is a response to this hop.
        check("RL", 429, "not_forwarded ok");
    }

    #[test]
    fn a_grpc_status_is_part_of_the_response() {
        let response = |grpc_status| {
            let outcome = Outcome { response_code: 200, grpc_status, ..Outcome::default() };
            (Ending::of(&outcome, Side::Source), Response::of(&outcome))
        };
        assert_eq!(response(Some(14)).0, Ending::Error);
        assert!(!response(Some(0)).1.same(response(None).1));
        assert!(response(Some(14)).1.same(response(Some(14)).1));
        assert!(!Response::of(&outcome("DC", 0)).same(Response::of(&outcome("DC", 0))));
    }

    #[test]
    fn numbers_round_trip() {
        for ending in Ending::ALL {
            assert_eq!(Ending::from_number(ending.number()), ending);
        }
    }
}
