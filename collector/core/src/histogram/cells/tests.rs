use super::{FINEST, Layout, Rows, length_max};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Steps = Vec<(usize, u64, u64)>;

fn steps() -> impl Strategy<Value = Steps> {
    let value = (0.0..41.0_f64).prop_map(|log2| log2.exp2() as u64);
    let amount = prop_oneof![1..3_u64, 200..300_u64, 65_000..66_000_u64, any::<u64>()];
    proptest::collection::vec((0..3_usize, value, amount), 0..60)
}

fn counted(steps: &Steps) -> Rows<3> {
    let (mut rows, layout) = (Rows::<3>::default(), Layout::sizes());
    for (row, value, amount) in steps {
        let position = layout.position(*value);
        rows.add(*row, layout, |scale| position.at(scale), *amount);
    }
    rows
}

/// Compares the rows with a map at their scale.
fn check(rows: &Rows<3>, steps: &Steps) -> Result<(), TestCaseError> {
    for row in 0..3 {
        let scale = rows.row(row).scale();
        let mut map: BTreeMap<usize, u64> = BTreeMap::new();
        for (_, value, amount) in steps.iter().filter(|(known, ..)| *known == row) {
            let count = map.entry(Layout::sizes().position(*value).at(scale)).or_default();
            *count = count.saturating_add(*amount);
        }
        prop_assert_eq!(rows.row(row).iter().collect::<BTreeMap<_, _>>(), map);
        prop_assert!(usize::from(rows.row(row).head.length) <= length_max(scale));
    }
    Ok(())
}

proptest! {
    #[test]
    fn rows_count_like_a_map(steps in steps()) {
        check(&counted(&steps), &steps)?;
    }

    #[test]
    fn merge_counts_all_values_at_the_coarser_scale(left in steps(), right in steps()) {
        let (mut rows, other) = (counted(&left), counted(&right));
        let coarsest = |row| rows.row(row).scale().min(other.row(row).scale());
        let at_most: Vec<u8> = (0..3).map(coarsest).collect();
        rows.merge(&other, [Layout::sizes(); 3]);
        check(&rows, &[left, right].concat())?;
        for (row, scale) in at_most.into_iter().enumerate() {
            prop_assert!(rows.row(row).scale() <= scale);
        }
    }
}

#[test]
fn small_counts_take_one_byte_and_a_wide_row_gets_coarser() {
    let mut rows = Rows::<2>::default();
    let add = |rows: &mut Rows<2>, value: u64, amount| {
        let position = Layout::durations().position(value);
        rows.add(1, Layout::durations(), |scale| position.at(scale), amount);
        (rows.row(1).scale(), rows.bytes())
    };
    assert_eq!(add(&mut rows, 1 << 20, 255), (FINEST, 1));
    assert_eq!(add(&mut rows, 1 << 22, 1), (FINEST, 65 + 1));
    assert_eq!(add(&mut rows, 1 << 20, 1), (FINEST, 2 * 66));
    assert_eq!(add(&mut rows, 1 << 20, 1 << 16), (FINEST, 4 * 66));
    assert_eq!(add(&mut rows, 1 << 20, u64::MAX), (FINEST, 8 * 66));
    assert_eq!(add(&mut rows, 1 << 24, 1).0, FINEST - 1);
    assert_eq!(add(&mut rows, 1 << 38, 1), (3, 8 * 154));
    assert_eq!(add(&mut rows, 0, 1).0, 1);
}
