use super::{HEAD_BYTES, Step, UnknownVersion, VERSION, head, head_of, scan};
use crate::snapshot::frame::{self, Entry, Position, Times};
use proptest::prelude::*;

const NUMBER: u64 = 7;
/// Bytes of the body of a batch before its message.
const BODY_BYTES: usize = 25;

/// Entry of a batch that was received at this time.
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
        let position = Position { segment: NUMBER, offset: bytes.len() as u64 };
        assert!(frame::write(batch(received_us, message), position, &mut bytes));
    }
    bytes
}

/// Steps as text: `1:abc` an entry, `#12..40` damage, `|80` incomplete from there on.
fn steps(bytes: &[u8], number: u64) -> String {
    let steps = scan(bytes, number).unwrap().map(|step| match step {
        Step::Entry(Entry::Batch { times, message }) => {
            format!("{}:{}", times.received_us, String::from_utf8_lossy(message))
        }
        Step::Entry(Entry::Tick(now_us)) => format!("tick {now_us}"),
        Step::Entry(Entry::EndEpoch { now_us, proxy, epoch }) => format!("end {now_us} {proxy} {epoch}"),
        Step::Entry(Entry::SetLimits { now_us, limits }) => format!("limits {now_us} {limits:?}"),
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
/// Starts of the three frames, and the end of the last.
const BOUNDS: [usize; 4] = [12, 56, 97, 143];

#[test]
fn written_entries_are_read() {
    check(&segment(&THREE), "1:one 2: 3:three");
    check(&segment(&[]), "");
    check(&[], "");
    let mut bytes = segment(&[b"a"]);
    for entry in [
        Entry::Tick(9),
        Entry::EndEpoch { now_us: 10, proxy: "p", epoch: 7 },
        Entry::SetLimits { now_us: 11, limits: &[1, 2] },
    ] {
        let position = Position { segment: NUMBER, offset: bytes.len() as u64 };
        let before = bytes.len();
        assert!(frame::write(entry, position, &mut bytes));
        assert_eq!(bytes.len() - before, frame::bytes_max(entry));
    }
    check(&bytes, "1:a tick 9 end 10 p 7 limits 11 [1, 2]");
}

#[test]
fn a_truncated_segment_keeps_every_complete_entry() {
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
fn one_flipped_bit_costs_at_most_its_own_entry() {
    let whole = segment(&THREE);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let expected = match BOUNDS.partition_point(|bound| *bound <= at) {
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
fn damage_across_two_entries_is_one_range() {
    let mut bytes = segment(&THREE);
    bytes[40..70].fill(0);
    check(&bytes, "#12..97 3:three");
    bytes[12..].fill(0);
    check(&bytes, "|12");
}

#[test]
fn a_frame_is_invalid_at_another_position() {
    let inner = segment(&[b"forged"])[HEAD_BYTES..].to_vec();
    let mut bytes = segment(&[&inner, b"after"]);
    bytes[HEAD_BYTES] ^= 1;
    let after = bytes.len() - frame::HEAD_BYTES - BODY_BYTES - 5;
    check(&bytes, &format!("#12..{after} 2:after"));
    assert_eq!(steps(&segment(&THREE), NUMBER + 1), "|12", "of another segment");
}

#[test]
fn another_version_is_rejected_and_a_damaged_version_is_not() {
    let mut bytes = segment(&THREE);
    bytes[..HEAD_BYTES].copy_from_slice(&head_of(VERSION + 1));
    assert_eq!(scan(&bytes, NUMBER).unwrap_err(), UnknownVersion { found: VERSION + 1 });
    bytes[..HEAD_BYTES].fill(0);
    check(&bytes, "#0..12 1:one 2: 3:three");
}

proptest! {
    /// After damage to some bytes, exactly the undamaged entries are read.
    #[test]
    fn damage_is_local(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..20),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let whole = segment(&messages);
        let mut bytes = whole.clone();
        for (index, value) in damage {
            bytes[index.index(whole.len())] = value;
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

    /// Arbitrary bytes cause neither a panic nor an endless loop.
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
