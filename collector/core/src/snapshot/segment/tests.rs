use super::{HEAD_BYTES, Step, UnknownVersion, VERSION, head, head_of, scan};
use crate::snapshot::frame::{self, Entry, Place};
use crate::snapshot::times::Times;
use proptest::prelude::*;

const NUMBER: u64 = 7;
/// Of a body before the message.
const BODY_BYTES: usize = 25;

/// What a batch that was received then is in a segment.
fn batch(received_us: u64, message: &[u8]) -> Entry<'_> {
    Entry::Batch {
        times: Times { received_us, first_us: received_us / 2, last_us: received_us * 2 },
        message,
    }
}

/// A segment with these messages, received at 1, 2, 3, … µs.
fn segment(messages: &[&[u8]]) -> Vec<u8> {
    let mut bytes = head().to_vec();
    for (received_us, message) in (1..).zip(messages) {
        let place = Place { segment: NUMBER, offset: bytes.len() as u64 };
        assert!(frame::write(batch(received_us, message), place, &mut bytes));
    }
    bytes
}

/// The steps as text: `1:abc` an entry, `#12..40` damage, `|80` torn from there on.
fn steps(bytes: &[u8], number: u64) -> String {
    let steps = scan(bytes, number).unwrap().map(|step| match step {
        Step::Entry(Entry::Batch { times, message }) => {
            format!("{}:{}", times.received_us, String::from_utf8_lossy(message))
        }
        Step::Entry(Entry::Tick(now_us)) => format!("tick {now_us}"),
        Step::Corrupt(first, end) => format!("#{first}..{end}"),
        Step::Torn(length) => format!("|{length}"),
    });
    steps.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    assert_eq!(steps(bytes, NUMBER), expected);
}

const THREE: [&[u8]; 3] = [b"one", b"", b"three"];
/// Where the three frames begin, and where they end.
const BOUNDS: [usize; 4] = [12, 56, 97, 143];

#[test]
fn what_was_written_is_read() {
    check(&segment(&THREE), "1:one 2: 3:three");
    check(&segment(&[]), "");
    check(&[], "");
    let mut bytes = segment(&[b"a"]);
    let place = Place { segment: NUMBER, offset: bytes.len() as u64 };
    frame::write(Entry::Tick(9), place, &mut bytes);
    check(&bytes, "1:a tick 9");
}

#[test]
fn cut_anywhere_it_keeps_every_whole_entry() {
    let whole = segment(&THREE);
    assert_eq!(whole.len(), BOUNDS[3]);
    for length in 1..=whole.len() {
        let kept = BOUNDS.partition_point(|bound| *bound <= length).saturating_sub(1);
        let mut expected: Vec<&str> = ["1:one", "2:", "3:three"][..kept].to_vec();
        let last = if length < HEAD_BYTES { 0 } else { BOUNDS[kept] };
        let torn = format!("|{last}");
        if last != length {
            expected.push(&torn);
        }
        check(&whole[..length], &expected.join(" "));
    }
}

#[test]
fn one_flipped_bit_costs_at_most_the_entry_it_is_in() {
    let whole = segment(&THREE);
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << bit;
            let expected = match BOUNDS.partition_point(|bound| *bound <= place) {
                0 => "#0..12 1:one 2: 3:three",
                1 => "#12..56 2: 3:three",
                2 => "1:one #56..97 3:three",
                _ => "1:one 2: |97",
            };
            check(&bytes, expected);
        }
    }
}

#[test]
fn damage_that_touches_two_entries_is_one_hole() {
    let mut bytes = segment(&THREE);
    bytes[40..70].fill(0);
    check(&bytes, "#12..97 3:three");
    bytes[12..].fill(0);
    check(&bytes, "|12");
}

#[test]
fn bytes_that_look_like_an_entry_are_none_elsewhere() {
    let inner = segment(&[b"forged"])[HEAD_BYTES..].to_vec();
    let mut bytes = segment(&[&inner, b"after"]);
    bytes[HEAD_BYTES] ^= 1;
    let after = bytes.len() - frame::HEAD_BYTES - BODY_BYTES - 5;
    check(&bytes, &format!("#12..{after} 2:after"));
    assert_eq!(steps(&segment(&THREE), NUMBER + 1), "|12", "of another segment");
}

#[test]
fn another_version_is_refused_and_a_damaged_one_is_not() {
    let mut bytes = segment(&THREE);
    bytes[..HEAD_BYTES].copy_from_slice(&head_of(VERSION + 1));
    assert_eq!(scan(&bytes, NUMBER).unwrap_err(), UnknownVersion { found: VERSION + 1 });
    bytes[..HEAD_BYTES].fill(0);
    check(&bytes, "#0..12 1:one 2: 3:three");
}

proptest! {
    /// Whatever happens to some bytes, every entry that none of them is in comes out, and nothing else does.
    #[test]
    fn damage_is_local(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..20),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let whole = segment(&messages);
        let mut bytes = whole.clone();
        for (place, value) in damage {
            bytes[place.index(whole.len())] = value;
        }
        let mut start = HEAD_BYTES;
        let mut expected = Vec::new();
        for (received_us, message) in (1..).zip(&messages) {
            let end = start + frame::HEAD_BYTES + BODY_BYTES + message.len();
            if bytes[start..end] == whole[start..end] {
                expected.push(batch(received_us, message));
            }
            start = end;
        }
        let found: Vec<_> = scan(&bytes, NUMBER).unwrap().filter_map(|step| match step {
            Step::Entry(entry) => Some(entry),
            _ => None,
        }).collect();
        prop_assert_eq!(found, expected);
    }

    /// No bytes make it panic or run for ever.
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = bytes;
        let start = bytes.len().min(4);
        bytes[..start].copy_from_slice(&b"HOPJ"[..start]);
        if let Ok(steps) = scan(&bytes, NUMBER) {
            prop_assert!(steps.count() <= 300);
        }
    }
}
