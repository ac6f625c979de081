use super::bucket::SLOTS;
use super::{BYTES_PER_PENDING_MAX, Bucket, Lookup, PROBES_MAX, Position, Table};
use crate::join::packed_record::{PackedRecord, PendingRecord};
use proptest::prelude::*;
use std::collections::HashMap;

fn packed(key: u64, end: u32) -> PackedRecord {
    PendingRecord { end, ..PendingRecord::unpack([key, 0, 0, 0]) }.pack()
}

fn records_of(table: &Table, key: u64) -> Vec<(Position, u32)> {
    let mut found = Vec::new();
    table.visit(key, |position, record| found.push((position, PendingRecord::unpack(record).end)));
    found
}

fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

#[test]
fn a_million_pending_records_take_at_most_fifty_bytes_each() {
    assert_eq!(size_of::<Bucket>(), 128);
    const { assert!(BYTES_PER_PENDING_MAX <= 50) };
    let open = 1_000_000;
    let mut table = Table::new(open);
    let refused = (0..open as u64).map(|number| table.insert(packed(spread(number), 7))).sum::<usize>();
    assert_eq!((refused, table.len()), (0, open));
    let bytes = table.bytes();
    assert!(bytes <= open * BYTES_PER_PENDING_MAX, "{bytes}");
    for number in 0..open as u64 {
        let found = records_of(&table, spread(number));
        assert_eq!(found.len(), 1);
        assert!(table.remove(found[0].0));
    }
    assert_eq!((table.len(), table.bytes()), (0, bytes), "no allocation per record");
    assert!(table.displaced.iter().all(|displaced| *displaced == 0), "removals clear the displacement map");
}

#[test]
fn records_per_key_are_bounded() {
    let mut table = Table::new(3_000);
    let refused: usize = (0..250).map(|end| table.insert(packed(spread(1), end))).sum();
    assert_eq!(records_of(&table, spread(1)).len(), PROBES_MAX * SLOTS);
    assert_eq!(refused, 250 - PROBES_MAX * SLOTS);
}

#[test]
fn the_earliest_deadline_is_found_first() {
    let mut table = Table::new(3);
    let due = |key: u64, deadline| PendingRecord { deadline, ..PendingRecord::unpack([key, 0, 0, 0]) }.pack();
    let [far, near] = [u64::MAX / 2, 1];
    for (key, deadline) in [(far, 1), (far, u16::MAX), (near, 7), (near, 6)] {
        assert_eq!(table.insert(due(key, deadline)), 0);
    }
    let mut first = |key| {
        let position = table.next_due_near(key, u16::MAX - 1)?;
        let [.., deadline, _, _] = table.buckets[position.bucket].words(position.slot)?;
        table.remove(position).then_some(PendingRecord::deadline_of(deadline))
    };
    let gone: Vec<_> = std::iter::from_fn(|| first(near)).collect();
    assert_eq!(gone, [6, 7, u16::MAX, 1], "nearby buckets first, then all others");
}

proptest! {
    /// After any insertions, removals and growth a lookup finds exactly the records that are there.
    #[test]
    fn the_table_is_a_multimap(steps in proptest::collection::vec((0..300_u64, any::<bool>()), 1..2_000)) {
        let mut table = Table::new(3_000);
        let mut expected: HashMap<u64, Vec<u32>> = HashMap::new();
        for (end, (number, take)) in (0..).zip(steps) {
            let key = spread(number);
            if take {
                let found = records_of(&table, key).first().copied();
                let Some((position, end)) = found else { continue };
                prop_assert!(table.remove(position));
                expected.get_mut(&key).unwrap().retain(|known| *known != end);
            } else if table.insert(packed(key, end)) == 0 {
                expected.entry(key).or_default().push(end);
            }
        }
        for (key, ends) in &expected {
            let mut found: Vec<u32> = records_of(&table, *key).into_iter().map(|(_, end)| end).collect();
            found.sort_unstable();
            prop_assert_eq!(&found, ends);
            let few = match table.lookup(*key) {
                Lookup::Empty => vec![],
                Lookup::One(_, words) => vec![PendingRecord::unpack(words).end],
                Lookup::Several => found.clone(),
            };
            prop_assert_eq!(&few, &found);
            prop_assert_eq!(found.len() > 1, matches!(table.lookup(*key), Lookup::Several));
        }
        prop_assert_eq!(table.len(), expected.values().map(Vec::len).sum::<usize>());
        prop_assert_eq!(table.keys().count(), table.len());
    }
}
