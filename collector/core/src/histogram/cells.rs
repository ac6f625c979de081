//! Rows of counters with adaptive length, scale and width.
//!
//! In: positions and amounts.
//! Out: counts.
//! Invariant: a row spans the first to the last counted position. Its counters have one byte until
//! one of them needs two, four or eight. A row starts with the finest scale and changes to the next
//! coarser one when it would exceed [`length_max`], without losing a count. All rows of one owner
//! are in one allocation, one after the other.

use super::buckets::{COARSEST, FINEST, FinePosition, Layout};
use crate::prefetch::prefetch;

/// Returns the maximum number of counters in a row: enough for 20 octaves at scale 3, and for all
/// values at the coarsest scale. Finer scales get half of it, because their precision is not worth
/// more memory.
fn length_max(scale: u8) -> usize {
    const LONGEST: usize = 160;
    const FINE: usize = 80;
    const ENOUGH: u8 = 3;
    if scale > ENOUGH { FINE } else { LONGEST }
}

/// Exclusive upper bound of positions.
const END: usize = 1 << 12;

/// Bytes per counter as a power of two.
const BYTES: u8 = 0;
const PAIRS: u8 = 1;
const WORDS: u8 = 2;
const LONGS: u8 = 3;

/// Header of a row: first position, number of counters, scale and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    first: u16,
    /// At most [`length_max`].
    length: u8,
    /// Scale in the lower four bits, width in the upper four.
    kind: u8,
}

impl Head {
    const EMPTY: Self = Self { first: 0, length: 0, kind: FINEST | BYTES << 4 };

    #[inline]
    fn scale(self) -> u8 {
        self.kind & 0xf
    }

    #[inline]
    fn width_log2(self) -> u8 {
        self.kind >> 4
    }

    #[inline]
    fn bytes(self) -> usize {
        usize::from(self.length) << self.width_log2()
    }
}

/// The rows of one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows<const N: usize> {
    heads: [Head; N],
    bytes: Box<[u8]>,
}

impl<const N: usize> Default for Rows<N> {
    fn default() -> Self {
        Self { heads: [Head::EMPTY; N], bytes: Box::default() }
    }
}

impl<const N: usize> Rows<N> {
    /// Adds an amount. `at` returns the position at a scale.
    #[inline]
    pub(super) fn add(&mut self, row: usize, layout: &Layout, at: impl Fn(u8) -> usize + Copy, amount: u64) {
        let Some(head) = self.heads.get(row).copied() else { return };
        let index = at(head.scale()).wrapping_sub(head.first.into());
        if index < head.length.into() {
            let byte = self.start(row) + (index << head.width_log2());
            if add_within(head.width_log2(), self.bytes.get_mut(byte..), amount) {
                return;
            }
        }
        // Copies the closure, so that only this rare case needs it in memory.
        self.extend(row, layout, &move |scale| at(scale), amount);
    }

    /// Counts one value in each row: [`Rows::add`] for all rows in one pass.
    #[inline]
    pub(super) fn add_each(&mut self, layouts: [&Layout; N], values: [FinePosition; N]) {
        let (mut start, mut missed) = (0, 0_u32);
        for (row, (head, value)) in self.heads.iter().zip(values).enumerate() {
            let index = value.at(head.scale()).wrapping_sub(head.first.into());
            let counted = index < head.length.into() && {
                let byte = start + (index << head.width_log2());
                add_within(head.width_log2(), self.bytes.get_mut(byte..), 1)
            };
            missed |= u32::from(!counted) << row;
            start += head.bytes();
        }
        if missed != 0 {
            self.add_missed(layouts, values, missed);
        }
    }

    /// Counts a value in the rows of the bit set `missed`, which must be extended for it.
    #[cold]
    #[inline(never)]
    fn add_missed(&mut self, layouts: [&Layout; N], values: [FinePosition; N], missed: u32) {
        for (row, (layout, value)) in layouts.into_iter().zip(values).enumerate() {
            if missed >> row & 1 == 1 {
                self.extend(row, layout, &move |scale| value.at(scale), 1);
            }
        }
    }

    /// Sets the initial scale of an empty row.
    pub(super) fn begin(&mut self, row: usize, scale: i32) {
        if let Some(head) = self.heads.get_mut(row).filter(|head| head.length == 0) {
            let scale = scale.clamp(COARSEST.into(), FINEST.into());
            head.kind = u8::try_from(scale).unwrap_or(FINEST) | BYTES << 4;
        }
    }

    /// Adds the rows of another owner.
    pub(super) fn merge(&mut self, other: &Self, layouts: [&Layout; N]) {
        for (row, layout) in layouts.into_iter().enumerate() {
            let from = other.row(row);
            if from.head.length == 0 {
                continue;
            }
            self.begin(row, from.scale().into());
            if self.row(row).scale() > from.scale() {
                let (counts, _) = self.row(row).coarser(layout, from.scale());
                self.replace(row, &counts, from.scale());
            }
            for (position, count) in from.iter() {
                self.add(row, layout, |scale| layout.coarser(position, (from.scale(), scale)), count);
            }
        }
    }

    /// Returns a row for reading.
    #[inline]
    pub(super) fn row(&self, row: usize) -> Row<'_> {
        let head = self.heads.get(row).copied().unwrap_or(Head::EMPTY);
        let start = self.start(row);
        Row { head, bytes: self.bytes.get(start..start + head.bytes()).unwrap_or_default() }
    }

    /// Returns the byte offset of a row.
    #[inline]
    fn start(&self, row: usize) -> usize {
        let mut start = 0;
        for (index, head) in self.heads.iter().enumerate() {
            // One comparison per row instead of a loop whose length is unknown at compile time.
            start += if index < row { head.bytes() } else { 0 };
        }
        start
    }

    /// Returns a value that depends on the loaded memory of the counters, which forces the load.
    #[inline]
    pub(super) fn touch(&self) -> u8 {
        let byte = |byte: Option<&u8>| byte.copied().unwrap_or(0);
        byte(self.bytes.first()) ^ byte(self.bytes.last())
    }

    /// Prefetches the memory of the counters.
    #[inline]
    pub(super) fn prefetch(&self) {
        self.bytes.first().into_iter().for_each(prefetch);
    }

    /// Returns the allocated bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds an amount to a row that must become longer, coarser or wider for it.
    #[cold]
    #[inline(never)]
    fn extend(&mut self, row: usize, layout: &Layout, at: &dyn Fn(u8) -> usize, amount: u64) {
        let mut scale = self.row(row).scale();
        let mut counts = self.row(row).counts();
        loop {
            let position = at(scale).min(END);
            let first = counts.first.min(position);
            let end = (counts.first + counts.row.len()).max(position + 1);
            if counts.row.is_empty() {
                counts = Counts { first: position, row: vec![0] };
            } else if end - first > length_max(scale) && scale > COARSEST {
                (counts, scale) = self.row(row).coarser(layout, scale - 1);
                continue;
            } else {
                let ahead = counts.first - first;
                counts.row.splice(..0, std::iter::repeat_n(0, ahead));
                counts = Counts { first, row: counts.row };
                counts.row.resize(end - first, 0);
            }
            counts.add(position, amount);
            return self.replace(row, &counts, scale);
        }
    }

    /// Replaces a row; the others stay unchanged.
    fn replace(&mut self, row: usize, counts: &Counts, scale: u8) {
        let width_log2 = match counts.row.iter().copied().max().unwrap_or(0) {
            0..=0xff => BYTES,
            0x100..=0xffff => PAIRS,
            0x1_0000..=0xffff_ffff => WORDS,
            _ => LONGS,
        };
        let length = u8::try_from(counts.row.len()).unwrap_or(u8::MAX);
        let first = u16::try_from(counts.first).unwrap_or(u16::MAX);
        let new = Head { first, length, kind: scale | width_log2 << 4 };
        let others = self.bytes.len().saturating_sub(self.row(row).bytes.len());
        let mut bytes = Vec::with_capacity(others + new.bytes());
        let mut heads = self.heads;
        for (index, head) in heads.iter_mut().enumerate() {
            if index == row {
                *head = new;
                counts.row.iter().for_each(|count| {
                    bytes.extend_from_slice(count.to_le_bytes().get(..1 << width_log2).unwrap_or_default());
                });
            } else {
                bytes.extend_from_slice(self.row(index).bytes);
            }
        }
        self.heads = heads;
        self.bytes = bytes.into_boxed_slice();
    }
}

/// Row of counters for reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    head: Head,
    bytes: &'a [u8],
}

impl Row<'_> {
    /// Returns the scale.
    pub(super) fn scale(&self) -> u8 {
        self.head.scale()
    }

    /// Returns the sum of all counts.
    pub(super) fn count(&self) -> u64 {
        self.iter().fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// Returns the positions with a count above 0, and their counts.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let counts = self
            .bytes
            .chunks_exact(1 << self.head.width_log2())
            .map(|counter| counter.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)));
        (usize::from(self.head.first)..).zip(counts).filter(|(_, count)| *count > 0)
    }

    fn counts(&self) -> Counts {
        let first = self.head.first.into();
        let mut counts = Counts { first, row: vec![0; self.head.length.into()] };
        self.iter().for_each(|(position, count)| counts.add(position, count));
        counts
    }

    /// Returns the counts at a coarser scale.
    fn coarser(&self, layout: &Layout, scale: u8) -> (Counts, u8) {
        let at = |position| layout.coarser(position, (self.scale(), scale));
        let first = usize::from(self.head.first);
        let last = first + usize::from(self.head.length).saturating_sub(1);
        let mut counts = Counts { first: at(first), row: vec![0; at(last) + 1 - at(first)] };
        self.iter().for_each(|(position, count)| counts.add(at(position), count));
        (counts, scale)
    }
}

/// Unpacked row, to be changed.
struct Counts {
    first: usize,
    row: Vec<u64>,
}

impl Counts {
    fn add(&mut self, position: usize, amount: u64) {
        if let Some(count) = self.row.get_mut(position.wrapping_sub(self.first)) {
            *count = count.saturating_add(amount);
        }
    }
}

/// Adds an amount to the counter at the beginning of `rest`. Returns `false` when the counter is
/// too narrow.
#[inline]
fn add_within(width_log2: u8, rest: Option<&mut [u8]>, amount: u64) -> bool {
    let Some(rest) = rest else { return false };
    match width_log2 {
        BYTES => rest.first_mut().is_some_and(|counter| {
            let sum = u8::try_from(u64::from(*counter).saturating_add(amount));
            sum.map(|sum| *counter = sum).is_ok()
        }),
        PAIRS => rest.first_chunk_mut().is_some_and(|counter| {
            let sum = u16::try_from(u64::from(u16::from_le_bytes(*counter)).saturating_add(amount));
            sum.map(|sum| *counter = sum.to_le_bytes()).is_ok()
        }),
        WORDS => rest.first_chunk_mut().is_some_and(|counter| {
            let sum = u32::try_from(u64::from(u32::from_le_bytes(*counter)).saturating_add(amount));
            sum.map(|sum| *counter = sum.to_le_bytes()).is_ok()
        }),
        _ => rest.first_chunk_mut().is_some_and(|counter| {
            *counter = u64::from_le_bytes(*counter).saturating_add(amount).to_le_bytes();
            true
        }),
    }
}

#[cfg(test)]
mod tests;
