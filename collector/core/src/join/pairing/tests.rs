use super::{PairingResult, Timing, pair_group, sort};
use crate::batch::Outcome;
use crate::batch::flags;
use crate::join::Side;
use crate::join::ending::{Ending, Response};
use crate::join::packed_record::PendingRecord;

/// Parses `S 0+200 UT/504 x1`: side, start and duration in milliseconds, flags and status,
/// attempts.
fn record(text: &str) -> PendingRecord {
    let words: Vec<&str> = text.split_whitespace().collect();
    let side = if words[0] == "S" { Side::Source } else { Side::Destination };
    let (start, duration) = words[1].split_once('+').unwrap();
    let (start_us, duration_us) =
        (1_000_000 + start.parse::<u64>().unwrap() * 1_000, duration.parse::<u32>().unwrap() * 1_000);
    let (names, code) = words[2].split_once('/').unwrap_or(("", words[2]));
    let outcome = Outcome {
        response_flags: names.split(',').filter_map(flags::find).map(|flag| 1 << flag.bit).sum(),
        response_code: code.parse().unwrap_or(0),
        ..Outcome::default()
    };
    PendingRecord {
        side,
        ending: Ending::of(&outcome, side),
        response: Response::of(&outcome),
        attempts: words.get(3).map_or(1, |word| word[1..].parse().unwrap()),
        end: PendingRecord::end_step(start_us + u64::from(duration_us)),
        duration_us,
        source_tag: 7,
        ..PendingRecord::unpack([1, 0, 0, 0])
    }
}

/// Asserts the result per record, in the order of [`sort`]: sources first, then by end.
#[track_caller]
fn check(records: &[&str], expected: &str) {
    let forwards: Vec<PendingRecord> = records.iter().map(|text| record(text)).collect();
    let backwards: Vec<PendingRecord> = forwards.iter().rev().copied().collect();
    for mut group in [forwards, backwards] {
        sort(&mut group, |it| it);
        let times = Timing { skew_us: &|_, _| 0, tolerance_us: 100_000 };
        let results = pair_group(&group, &times).into_iter().map(|result| match result {
            PairingResult::LastAttempt { source, confident: true } => format!("last of {source}"),
            PairingResult::LastAttempt { source, confident: false } => format!("last of {source}?"),
            PairingResult::EarlierAttempt { source } => format!("earlier of {source}"),
            PairingResult::Paired => "paired".to_owned(),
            PairingResult::Alone => "alone".to_owned(),
            PairingResult::Ambiguous => "ambiguous".to_owned(),
        });
        assert_eq!(results.collect::<Vec<_>>().join(", "), expected);
    }
}

#[test]
fn two_records_pair_if_their_times_fit() {
    check(&["S 0+200 UT/504", "D 1+60 200"], "paired, last of 0");
    check(&["S 0+200 UT/504", "D 5000+1 DR/-"], "paired, last of 0");
    check(&["S 5000+200 UT/504", "D 0+10 DC/-"], "alone, alone");
    check(&["S 0+200 503", "D 900+1 DC/-"], "alone, alone");
}

#[test]
fn destinations_pair_by_attempt_number() {
    check(
        &["S 0+90 200 x3", "D 1+10 503 x1", "D 30+10 UC/503 x2", "D 60+20 200 x3"],
        "paired, earlier of 0, earlier of 0, last of 0",
    );
    check(&["S 0+90 200 x2", "D 1+10 503 x0", "D 60+20 200 x0"], "paired, earlier of 0, last of 0");
    check(&["S 0+90 200 x2", "D 60+20 200 x2"], "paired, last of 0");
    check(&["S 0+90 UT,URX/504 x2", "D 1+30 DC/- x1", "D 40+51 DC/- x2"], "paired, earlier of 0, last of 0");
    check(&["S 0+90 UF,URX/503 x2", "D 1+30 UC/503 x1"], "alone, earlier of 0");
    check(&["S 0+90 200 x1", "D 60+20 200 x4"], "paired, last of 0");
}

#[test]
fn repeated_calls_pair_by_time() {
    check(
        &["S 0+200 UT/504", "S 5000+200 UC/503", "D 1+200 DC/-", "D 5001+9 200"],
        "paired, paired, last of 0, last of 1",
    );
}

#[test]
fn equivalent_choices_pair_and_others_are_ambiguous() {
    check(
        &["S 0+200 UT/504", "S 1+200 UT/504", "D 2+60 200", "D 2+200 DC/-"],
        "paired, paired, last of 0?, last of 1?",
    );
    check(&["S 0+200 UT/504", "S 1+200 UT/504", "D 2+60 200"], "paired, alone, last of 0?");
    check(
        &["S 0+200 UT/504", "S 1+200 UC/503", "D 2+60 200", "D 2+200 DC/-"],
        "ambiguous, ambiguous, ambiguous, ambiguous",
    );
    check(&["S 0+200 UT/504", "S 1+200 UC/503", "D 2+60 200"], "ambiguous, ambiguous, ambiguous");
    check(&["S 0+200 UT/504", "D 2+60 200", "D 3+200 DC/-"], "ambiguous, ambiguous, ambiguous");
}

#[test]
fn equal_responses_pair_despite_other_failures() {
    check(
        &["S 0+100 200", "S 20+40 200", "D 21+38 200", "D 1+98 200"],
        "paired, paired, last of 0?, last of 1?",
    );
    check(
        &["S 0+100 200", "S 0+200 UT/504", "D 1+98 200", "D 1+200 DC/-"],
        "paired, paired, last of 0, last of 1?",
    );
    check(&["S 0+10 200", "D 3000+5 200"], "paired, last of 0");
}
