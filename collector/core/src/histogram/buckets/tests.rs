use super::octave::position_among;
use super::position::LARGEST;
use super::{BOUNDS_BYTES, BOUNDS_US, COARSEST, FINEST, FinePosition, Layout, ticks};
use proptest::prelude::*;

/// Returns the position by definition: the first whose upper end is not below the value.
fn by_definition(layout: &Layout, value: u64) -> FinePosition {
    position_among(&layout.upper, value.min(LARGEST))
}

#[test]
fn every_position_is_found_at_both_ends() {
    for layout in [Layout::durations(), Layout::sizes()] {
        for (upper, _) in &layout.upper {
            for value in [upper.saturating_sub(1), *upper, upper.saturating_add(1)] {
                assert_eq!(layout.position(value), by_definition(layout, value), "{value}");
            }
        }
    }
}

#[test]
fn classic_bound_is_an_edge_at_every_scale() {
    let bounds_ticks = BOUNDS_US.map(ticks);
    for (layout, bounds) in [(Layout::durations(), &bounds_ticks[..]), (Layout::sizes(), &BOUNDS_BYTES)] {
        assert!(bounds.is_sorted() && layout.upper.is_sorted_by_key(|(upper, _)| *upper));
        for scale in COARSEST..=FINEST {
            assert_eq!(layout.bounds(scale).len(), bounds.len());
            for (bound, position) in bounds.iter().copied().zip(layout.bounds(scale)) {
                assert_eq!(layout.position(bound).at(scale), usize::from(*position));
                assert!(layout.position(bound + 1).at(scale) > usize::from(*position));
            }
        }
    }
}

proptest! {
    #[test]
    fn value_lies_within_its_edges(log2 in 0.0..40.0_f64, scale in COARSEST..=FINEST) {
        let value = log2.exp2() as u64;
        for layout in [Layout::durations(), Layout::sizes()] {
            let fine = layout.position(value);
            prop_assert_eq!(fine, by_definition(layout, value));
            let position = fine.at(scale);
            let (low, high) = layout.edges(position, scale);
            let log2 = (value as f64).log2() - layout.units.recorded;
            prop_assert!(low < log2 + 1e-9 && log2 <= high + 1e-9, "{} in {} to {}", log2, low, high);
            prop_assert!(high - low <= 1.0 / f64::from(1 << scale) + 1e-9);
            let finest = fine.at(FINEST);
            prop_assert_eq!(layout.coarser(finest, (FINEST, scale)), position);
        }
    }
}
