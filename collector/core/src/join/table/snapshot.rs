//! Pending records in a snapshot, each in its bucket and slot.
//!
//! Invariant: a restored table equals the one that was written, so that its records fall due with
//! the same ticks. A table that exceeds a lower limit is filled again up to that limit, and the
//! further records count as evicted. Each bucket takes at least one byte.

use super::bucket::{Bucket, SLOTS};
use super::{PROBES_MAX, Table};
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer};

impl Table {
    /// Writes all buckets: which slots are in use, and their records.
    pub(in super::super) fn save(&self, to: &mut Writer) {
        self.sweep_index.save(to);
        self.buckets.len().save(to);
        for bucket in &self.buckets {
            let used = !bucket.slots_of(0) & ((1 << SLOTS) - 1);
            to.number(used.into());
            for slot in (0..SLOTS).filter(|slot| used >> slot & 1 == 1) {
                bucket.words(slot).into_iter().for_each(|words| to.words(words));
            }
        }
    }

    /// Reads what [`Table::save`] wrote into an empty table. Returns the number of records beyond the
    /// limit.
    pub(in super::super) fn restore(&mut self, from: &mut Reader<'_>) -> Result<usize, Unreadable> {
        let sweep_index = usize::load(from)?;
        let size = from.count()?;
        let is_exact = (self.buckets.len()..=self.buckets_max).contains(&size);
        if is_exact {
            self.buckets = vec![Bucket::default(); size];
            self.displaced = vec![0; size];
            self.sweep_index = if sweep_index < size { sweep_index } else { 0 };
        }
        let mut refused = 0;
        for index in 0..size {
            let used = from.number()?;
            for slot in (0..SLOTS).filter(|slot| used >> slot & 1 == 1) {
                let words = from.words()?;
                if is_exact {
                    self.put_at(index, slot, words).ok_or_else(|| from.broken("a record is misplaced"))?;
                } else if words.first() != Some(&0) {
                    refused += self.insert(words);
                }
            }
        }
        Ok(refused)
    }

    /// Puts a record into a free slot; `None` for a bucket that a search for its key does not read.
    fn put_at(&mut self, index: usize, slot: usize, words: [u64; 4]) -> Option<()> {
        let home = self.home(words[0]);
        let step = (0..).take(PROBES_MAX).find(|step| self.bucket_at(home, *step) == index)?;
        if words[0] == 0 {
            return None;
        }
        self.buckets.get_mut(index)?.put(slot, words);
        self.len += 1;
        if let (Some(bit), Some(displaced)) = (step.checked_sub(1), self.displaced.get_mut(home)) {
            *displaced |= 1 << bit;
        }
        Some(())
    }
}
