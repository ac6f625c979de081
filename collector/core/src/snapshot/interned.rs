//! Codec of an interner: its entries with their numbers, which other values refer to.
//!
//! Invariant: each number up to the highest takes at least one byte, so that no number of a damaged
//! snapshot decides an allocation.

use super::Unreadable;
use super::bytes::{Reader, Writer};
use super::codec::SnapshotValue;
use crate::interner::Interner;
use std::hash::Hash;

/// Entries of an interner by number.
pub(crate) type Entries<K, V> = Vec<(u32, K, V)>;

/// Writes all entries. `save`: writes one.
pub(crate) fn save<K: Hash + Eq + Clone, V>(
    interner: &Interner<K, V>,
    to: &mut Writer,
    mut save: impl FnMut(&K, &V, &mut Writer),
) {
    let end = interner.numbered().last().map_or(0, |(number, _)| number.saturating_add(1));
    end.save(to);
    for number in 0..end {
        let entry = interner.key(number).zip(interner.get(number));
        entry.is_some().save(to);
        if let Some((key, value)) = entry {
            save(key, value, to);
        }
    }
}

/// Reads what [`save`] wrote, for [`Interner::restored`]. `load`: reads one entry.
pub(crate) fn load<K, V>(
    from: &mut Reader<'_>,
    mut load: impl FnMut(&mut Reader<'_>) -> Result<(K, V), Unreadable>,
) -> Result<Entries<K, V>, Unreadable> {
    let end = u32::try_from(from.count()?).map_err(|_| from.broken("too many entries"))?;
    let mut entries = Vec::new();
    for number in 0..end {
        if bool::load(from)? {
            let (key, value) = load(from)?;
            entries.push((number, key, value));
        }
    }
    Ok(entries)
}
