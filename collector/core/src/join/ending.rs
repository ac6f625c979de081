//! How one side saw a request end, in the few words that two sides can be compared by.
//!
//! In: an outcome, and which side tells. Out: an [`Ending`] and an [`Answer`]. Always holds: every outcome has exactly one
//! ending; a flag that is not known changes nothing.
//!
//! Source: the flags that a real Envoy gave for each cause, on both sides of a hop.

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

/// DC, DPE, DR: whoever called this proxy went away, or spoke no proper protocol.
const GIVEN_UP: u64 = bits(&[14, 18, 28]);
/// UT, SI, UMSDR, DT: a time limit of this proxy.
const TIMED_OUT: u64 = bits(&[2, 16, 19, 22]);
/// LH, UH, UF, UO, NR, FI, RL, UAEX, RLSE, IH, RFCF, NFCF, NC, OM, DF, DO, UDO: this proxy called nobody.
const UNREACHED: u64 = bits(&[0, 1, 5, 7, 8, 10, 11, 12, 13, 17, 20, 21, 24, 25, 26, 27, 29]);
/// LR, UR, UC, UPE: the way to whom it called broke.
const RESET: u64 = bits(&[3, 4, 6, 23]);

/// How one side saw a request end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ending {
    /// An answer below 500, or gRPC status 0.
    Ok,
    /// An answer of 500 or more, or another gRPC status, that somebody further on gave.
    Error,
    /// This proxy called nobody: refused, no endpoint, no route, a limit, a policy.
    NotForwarded,
    /// A time limit of this proxy passed.
    TimedOut,
    /// The connection to whom this proxy called broke.
    Reset,
    /// Whoever called this proxy went away.
    CallerGaveUp,
    /// Neither answer nor flag.
    Silent,
}

impl Ending {
    /// Every ending, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::Error,
        Self::NotForwarded,
        Self::TimedOut,
        Self::Reset,
        Self::CallerGaveUp,
        Self::Silent,
    ];

    /// As the matrix shows it.
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

    /// How `side` saw this outcome end.
    #[must_use]
    pub fn of(outcome: &Outcome, side: Side) -> Self {
        let has = |flags| outcome.response_flags & flags != 0;
        let failed = outcome.response_code >= 500 || outcome.grpc_status.is_some_and(|status| status != 0);
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

    /// Whether an answer of the called side came through to the one who tells.
    pub(super) fn is_answer(self) -> bool {
        matches!(self, Self::Ok | Self::Error)
    }

    pub(super) fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Silent)
    }
}

/// HTTP status and gRPC status in one word, to be compared only; 0 when there was no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Answer(pub(super) u16);

impl Answer {
    /// The answer of an outcome. gRPC statuses from 62 on, of which there are none, count as one.
    pub(super) fn of(outcome: &Outcome) -> Self {
        let code = u16::try_from(outcome.response_code).unwrap_or(0) & 0x3ff;
        let grpc = outcome.grpc_status.map_or(0, |status| status.min(62) + 1);
        Self(if code == 0 { 0 } else { code | u16::try_from(grpc).unwrap_or(0) << 10 })
    }

    /// Whether both sides tell of the same answer, and there was one.
    pub(super) fn same(self, other: Self) -> bool {
        self.0 != 0 && self == other
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Ending, bits};
    use crate::batch::Outcome;
    use crate::batch::flags;
    use crate::join::Side;

    fn outcome(names: &str, response_code: u32) -> Outcome {
        let names = names.split(',').filter(|name| !name.is_empty());
        let response_flags = names.map(|name| bits(&[flags::find(name).unwrap().bit])).sum();
        Outcome { response_flags, response_code, ..Outcome::default() }
    }

    /// Flags and code in, how source and destination saw it out.
    #[track_caller]
    fn check(names: &str, code: u32, expected: &str) {
        let outcome = outcome(names, code);
        let seen = [Side::Source, Side::Destination].map(|side| Ending::of(&outcome, side).label());
        assert_eq!(seen.join(" "), expected, "{names} {code}");
    }

    #[test]
    fn every_flag_has_its_ending() {
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
        // The called proxy refused on purpose: to the hop that is an answer.
        check("RL", 429, "not_forwarded ok");
    }

    #[test]
    fn a_grpc_status_is_part_of_the_answer() {
        let answer = |grpc_status| {
            let outcome = Outcome { response_code: 200, grpc_status, ..Outcome::default() };
            (Ending::of(&outcome, Side::Source), Answer::of(&outcome))
        };
        assert_eq!(answer(Some(14)).0, Ending::Error);
        assert!(!answer(Some(0)).1.same(answer(None).1));
        assert!(answer(Some(14)).1.same(answer(Some(14)).1));
        assert!(!Answer::of(&outcome("DC", 0)).same(Answer::of(&outcome("DC", 0))));
    }

    #[test]
    fn numbers_are_places() {
        for ending in Ending::ALL {
            assert_eq!(Ending::from_number(ending.number()), ending);
        }
    }
}
