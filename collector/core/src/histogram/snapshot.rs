//! Rows of counters in a snapshot.
//!
//! Invariant: a loaded row has the scale of the saved one.

use super::buckets::{COARSEST, FINEST, Layout};
use super::cells::Rows;
use super::view::Tally;
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer, snapshot};

snapshot!(struct Tally { sum, max });

/// Writes all rows.
pub(super) fn save<const N: usize>(rows: &Rows<N>, to: &mut Writer) {
    for row in (0..N).map(|row| rows.row(row)) {
        to.number(row.scale().into());
        row.iter().count().save(to);
        row.iter().for_each(|count: (usize, u64)| count.save(to));
    }
}

/// Reads all rows.
pub(super) fn load<const N: usize>(
    from: &mut Reader<'_>,
    layouts: [&Layout; N],
) -> Result<Rows<N>, Unreadable> {
    let mut rows = Rows::default();
    for (row, layout) in layouts.into_iter().enumerate() {
        let scale = from.number()?;
        let known = u8::try_from(scale).ok().filter(|scale| (COARSEST..=FINEST).contains(scale));
        let Some(scale) = known else { return Err(from.broken("no such scale")) };
        rows.begin(row, scale.into());
        for (position, count) in Vec::<(usize, u64)>::load(from)? {
            if position > layout.position(u64::MAX).at(scale) {
                return Err(from.broken("no such bucket"));
            }
            rows.add(row, layout, |to| layout.coarser(position, (scale, to)), count);
        }
    }
    Ok(rows)
}
