use super::bucket::SLOTS;
use super::{BYTES_PER_OPEN_MAX, Bucket, PROBES_MAX, Place, Table, Under};
use crate::join::packed_record::{Half, Words};
use proptest::prelude::*;
use std::collections::HashMap;

fn half(key: u64, end: u32) -> Words {
    Half { end, ..Half::unpack([key, 0, 0, 0]) }.pack()
}

fn under(table: &Table, key: u64) -> Vec<(Place, u32)> {
    let mut found = Vec::new();
    table.visit(key, |place, half| found.push((place, Half::unpack(half).end)));
    found
}

fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

#[test]
fn a_million_open_records_cost_at_most_fifty_bytes_each() {
    assert_eq!(size_of::<Bucket>(), 128);
    const { assert!(BYTES_PER_OPEN_MAX <= 50) };
    let open = 1_000_000;
    let mut table = Table::new(open);
    let refused = (0..open as u64).map(|number| table.insert(half(spread(number), 7))).sum::<usize>();
    assert_eq!((refused, table.len()), (0, open));
    let bytes = table.bytes();
    assert!(bytes <= open * BYTES_PER_OPEN_MAX, "{bytes}");
    for number in 0..open as u64 {
        let found = under(&table, spread(number));
        assert_eq!(found.len(), 1);
        assert!(table.remove(found[0].0));
    }
    assert_eq!((table.len(), table.bytes()), (0, bytes), "nothing is allocated per record");
    assert!(table.away.iter().all(|away| *away == 0), "a removal leaves no trace");
}

#[test]
fn a_crowd_under_one_key_is_turned_away() {
    let mut table = Table::new(3_000);
    let refused: usize = (0..250).map(|end| table.insert(half(spread(1), end))).sum();
    assert_eq!(under(&table, spread(1)).len(), PROBES_MAX * SLOTS);
    assert_eq!(refused, 250 - PROBES_MAX * SLOTS);
}

#[test]
fn who_is_due_first_goes_first() {
    let mut table = Table::new(3);
    let due = |key: u64, deadline| Half { deadline, ..Half::unpack([key, 0, 0, 0]) }.pack();
    let [far, near] = [u64::MAX / 2, 1];
    for (key, deadline) in [(far, 1), (far, u16::MAX), (near, 7), (near, 6)] {
        assert_eq!(table.insert(due(key, deadline)), 0);
    }
    let mut first = |key| {
        let place = table.next_due_near(key, u16::MAX - 1)?;
        let [.., deadline, _, _] = table.buckets[place.bucket].words(place.slot)?;
        table.remove(place).then_some(Half::deadline_of(deadline))
    };
    let gone: Vec<_> = std::iter::from_fn(|| first(near)).collect();
    assert_eq!(gone, [6, 7, u16::MAX, 1], "those near by first, then all others");
}

proptest! {
    /// Whatever is put in and taken out, and however much it grows: what is there is found, and nothing else.
    #[test]
    fn it_is_a_multimap(steps in proptest::collection::vec((0..300_u64, any::<bool>()), 1..2_000)) {
        let mut table = Table::new(3_000);
        let mut expected: HashMap<u64, Vec<u32>> = HashMap::new();
        for (end, (number, take)) in (0..).zip(steps) {
            let key = spread(number);
            if take {
                let found = under(&table, key).first().copied();
                let Some((place, end)) = found else { continue };
                prop_assert!(table.remove(place));
                expected.get_mut(&key).unwrap().retain(|known| *known != end);
            } else if table.insert(half(key, end)) == 0 {
                expected.entry(key).or_default().push(end);
            }
        }
        for (key, ends) in &expected {
            let mut found: Vec<u32> = under(&table, *key).into_iter().map(|(_, end)| end).collect();
            found.sort_unstable();
            prop_assert_eq!(&found, ends);
            let few = match table.under(*key) {
                Under::Nobody => vec![],
                Under::One(_, words) => vec![Half::unpack(words).end],
                Under::Several => found.clone(),
            };
            prop_assert_eq!(&few, &found);
            prop_assert_eq!(found.len() > 1, matches!(table.under(*key), Under::Several));
        }
        prop_assert_eq!(table.len(), expected.values().map(Vec::len).sum::<usize>());
        prop_assert_eq!(table.keys().count(), table.len());
    }
}
