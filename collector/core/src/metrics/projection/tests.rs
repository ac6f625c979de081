//! Projections compared with a naive sum over all values that were ever added.

use super::{Cursor, Part, Projection, Slice};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq)]
struct Count(u64);

impl Part for Count {
    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
    }
}

/// Series with a name each; the exported label is the first letter.
#[derive(Default)]
struct Stage {
    series: BTreeMap<usize, (char, Count)>,
    projection: Projection<Count>,
}

impl Stage {
    fn add(&mut self, slot: usize, label: char, count: u64) {
        self.series.insert(slot, (label, Count(count)));
        self.projection.add(slot, &[("label", &label.to_string())]);
    }

    fn remove(&mut self, slot: usize) -> Option<Count> {
        let (_, count) = self.series.remove(&slot)?;
        self.projection.remove(slot, &count)
    }

    fn slice(&self, from: Cursor) -> Slice<char, u64> {
        let series = |slot: usize| self.series.get(&slot).map(|(_, count)| (count, None));
        let key = |slot: usize| self.series.get(&slot).map(|(label, _)| *label);
        self.projection.slice(from, series, key, |count, _| Some(count.0))
    }

    /// Reads all exported series, and calls `between` between two slices.
    fn read(&mut self, mut between: impl FnMut(&mut Self)) -> BTreeMap<char, u64> {
        let (mut next, mut rows) = (Some(Cursor::default()), Vec::<(char, u64)>::new());
        while let Some(from) = next {
            let slice = self.slice(from);
            if slice.is_reread {
                rows.pop();
            }
            for (key, count) in slice.rows {
                match key {
                    Some(key) => rows.push((key, count)),
                    None => rows.last_mut().unwrap().1 += count,
                }
            }
            next = slice.next;
            between(self);
        }
        let sums: BTreeMap<_, _> = rows.iter().copied().collect();
        assert_eq!(sums.len(), rows.len(), "an exported series came twice");
        sums
    }
}

#[test]
fn an_exported_series_stays_until_its_last_part_is_removed() {
    let mut stage = Stage::default();
    for (slot, label, count) in [(0, 'a', 5), (1, 'a', 7), (2, 'b', 1)] {
        stage.add(slot, label, count);
    }
    assert_eq!(stage.read(|_| {}), [('a', 12), ('b', 1)].into());
    assert_eq!(stage.remove(0), None);
    assert_eq!(stage.read(|_| {}), [('a', 12), ('b', 1)].into());
    assert_eq!(stage.remove(1), Some(Count(12)));
    assert_eq!((stage.read(|_| {}), stage.projection.len()), ([('b', 1)].into(), 1));
    stage.add(0, 'a', 3);
    assert_eq!(stage.read(|_| {}), [('a', 3), ('b', 1)].into());
}

#[test]
fn a_part_that_is_removed_between_two_slices_counts_once() {
    for removed in [0, 200, 499] {
        let mut stage = Stage::default();
        (0..500).for_each(|slot| stage.add(slot, 'a', 1));
        stage.add(500, 'b', 1);
        let mut slices = 0;
        let read = stage.read(|stage| {
            slices += 1;
            if slices == 2 {
                stage.remove(removed);
            }
        });
        assert_eq!(read, [('a', 500), ('b', 1)].into(), "{removed}");
        assert!(slices <= 7, "{slices}");
    }
}

#[test]
fn sums_of_removed_parts_survive_a_restart() {
    let mut stage = Stage::default();
    (0..3).for_each(|slot| stage.add(slot, 'a', 2));
    stage.remove(1);
    let removed: Vec<_> = stage.projection.removed().map(|(slot, sum)| (slot, sum.clone())).collect();
    let mut restored = Stage::default();
    stage.series.iter().for_each(|(slot, (label, count))| restored.add(*slot, *label, count.0));
    removed.iter().for_each(|(slot, sum)| restored.projection.restore(*slot, sum));
    assert_eq!(restored.read(|_| {}), [('a', 6)].into());
}

proptest! {
    #[test]
    fn exported_counters_never_fall_until_they_end(steps in proptest::collection::vec((0..400_usize, 0..4_u8, 1..9_u64), 1..900)) {
        let mut stage = Stage::default();
        let (mut all, mut ended) = (0, 0);
        let mut last = BTreeMap::new();
        for (number, (slot, label, count)) in steps.into_iter().enumerate() {
            if stage.series.contains_key(&slot) {
                let label = stage.series[&slot].0;
                if let Some(end) = stage.remove(slot) {
                    ended += end.0;
                    last.remove(&label);
                }
            } else {
                stage.add(slot, char::from(b'a' + label), count);
                all += count;
            }
            if number % 50 == 0 {
                let now = stage.read(|_| {});
                for (label, before) in &last {
                    prop_assert!(now.get(label) >= Some(before), "{label} fell");
                }
                last = now;
            }
        }
        let now = stage.read(|_| {});
        prop_assert_eq!(now.values().sum::<u64>() + ended, all);
    }
}
