//! A row of counters that is as long and as wide as what it counted needs.
//!
//! In: positions and amounts. Out: counts. Always holds: counters are of one byte until one of them needs more, then of four,
//! then of eight; the row goes from the first to the last position that was counted, and from no position to [`END`].

/// No row goes beyond.
const END: usize = 1 << 12;

/// The counters.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Row {
    Bytes(Box<[u8]>),
    Words(Box<[u32]>),
    Longs(Box<[u64]>),
}

/// Counters from a first position on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cells {
    first: u16,
    row: Row,
}

impl Default for Cells {
    fn default() -> Self {
        Self { first: 0, row: Row::Bytes(Box::default()) }
    }
}

impl Cells {
    /// Counts.
    #[inline]
    pub(super) fn add(&mut self, position: usize, amount: u64) {
        let place = position.wrapping_sub(self.first.into());
        let fits = match &mut self.row {
            Row::Words(row) => row.get_mut(place).is_some_and(|cell| grow(cell, amount)),
            Row::Bytes(row) => row.get_mut(place).is_some_and(|cell| grow(cell, amount)),
            Row::Longs(row) => match row.get_mut(place) {
                Some(cell) => {
                    *cell = cell.saturating_add(amount);
                    true
                }
                None => false,
            },
        };
        if !fits {
            self.widen(position, amount);
        }
    }

    /// Positions with their counts, those without a count left out.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let counts = (0..self.len()).map(|place| self.at(place));
        (usize::from(self.first)..).zip(counts).filter(|(_, count)| *count > 0)
    }

    /// The bytes that it takes beside itself.
    #[must_use]
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.row {
            Row::Bytes(row) => size_of_val(&**row),
            Row::Words(row) => size_of_val(&**row),
            Row::Longs(row) => size_of_val(&**row),
        }
    }

    fn len(&self) -> usize {
        match &self.row {
            Row::Bytes(row) => row.len(),
            Row::Words(row) => row.len(),
            Row::Longs(row) => row.len(),
        }
    }

    fn at(&self, place: usize) -> u64 {
        match &self.row {
            Row::Bytes(row) => row.get(place).copied().map_or(0, u64::from),
            Row::Words(row) => row.get(place).copied().map_or(0, u64::from),
            Row::Longs(row) => row.get(place).copied().unwrap_or(0),
        }
    }

    /// Makes room for a position, or for a larger number there, and counts.
    #[cold]
    fn widen(&mut self, position: usize, amount: u64) {
        let position = position.min(END);
        let empty = self.len() == 0;
        let first = if empty { position } else { position.min(self.first.into()) };
        let end = if empty { position + 1 } else { (usize::from(self.first) + self.len()).max(position + 1) };
        let mut counts = vec![0_u64; end - first];
        let ahead = usize::from(self.first).saturating_sub(first);
        for (place, count) in
            counts.iter_mut().skip(if empty { 0 } else { ahead }).enumerate().take(self.len())
        {
            *count = self.at(place);
        }
        if let Some(count) = counts.get_mut(position - first) {
            *count = count.saturating_add(amount);
        }
        let most = counts.iter().copied().max().unwrap_or(0);
        self.first = u16::try_from(first).unwrap_or(u16::MAX);
        // What was wide stays so: it is about to be needed again.
        self.row = match &self.row {
            Row::Bytes(_) if most <= u8::MAX.into() => Row::Bytes(cut(&counts)),
            Row::Bytes(_) | Row::Words(_) if most <= u32::MAX.into() => Row::Words(cut(&counts)),
            _ => Row::Longs(counts.into_boxed_slice()),
        };
    }
}

/// Adds, unless the cell is too narrow for it.
fn grow<C: Copy + TryFrom<u64> + Into<u64>>(cell: &mut C, amount: u64) -> bool {
    let sum: u64 = (*cell).into();
    match C::try_from(sum.saturating_add(amount)) {
        Ok(sum) => {
            *cell = sum;
            true
        }
        Err(_) => false,
    }
}

fn cut<C: TryFrom<u64> + Default>(counts: &[u64]) -> Box<[C]> {
    counts.iter().map(|count| C::try_from(*count).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::Cells;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_counts_as_a_map_does(
            steps in proptest::collection::vec((0..340_usize, prop_oneof![1..3_u64, 200..300_u64, any::<u64>()]), 0..60),
        ) {
            let (mut cells, mut map) = (Cells::default(), BTreeMap::new());
            for (position, amount) in steps {
                cells.add(position, amount);
                let count: &mut u64 = map.entry(position).or_default();
                *count = count.saturating_add(amount);
            }
            map.retain(|_, count| *count > 0);
            prop_assert_eq!(cells.iter().collect::<BTreeMap<_, _>>(), map);
        }
    }

    #[test]
    fn a_few_counts_take_a_byte_each() {
        let mut cells = Cells::default();
        (10..60).for_each(|position| (0..4).for_each(|_| cells.add(position, 50)));
        assert_eq!(cells.heap_bytes(), 50);
        cells.add(10, 100);
        assert_eq!(cells.heap_bytes(), 200);
        cells.add(11, u64::MAX);
        assert_eq!(cells.heap_bytes(), 400);
    }
}
