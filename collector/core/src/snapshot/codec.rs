//! Snapshot codec: derives serialization of values and stage state.
//!
//! In: a type and its fields, listed once by `snapshot!` beside the type.
//! Out: `SnapshotValue` for plain values, `SnapshotState` for stages, whose limits are not part
//! of the state.
//! Invariant: every field is either saved or listed under `skip`; a missing field does not compile.

use super::bytes::collected;
pub(crate) use super::bytes::{Reader, Writer};

pub(crate) use crate::snapshot::Unreadable;
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// Value that is saved and loaded as a whole.
pub(crate) trait SnapshotValue: Sized {
    /// Writes the value.
    fn save(&self, to: &mut Writer);
    /// Reads a value.
    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable>;
}

/// Stage whose state is restored into an instance with the current limits.
pub(crate) trait SnapshotState {
    /// Writes the state.
    fn save(&self, to: &mut Writer);
    /// Replaces the state.
    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable>;
}

/// Implements [`SnapshotValue`] for a struct or a field-less enum, or [`SnapshotState`] for a stage
/// with its nested parts.
macro_rules! snapshot {
    (struct $name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::snapshot::codec::SnapshotValue for $name {
            fn save(&self, to: &mut $crate::snapshot::codec::Writer) {
                let Self { $($field),+ } = self;
                $($crate::snapshot::codec::SnapshotValue::save($field, to);)+
            }

            fn load(
                from: &mut $crate::snapshot::codec::Reader<'_>,
            ) -> Result<Self, $crate::snapshot::codec::Unreadable> {
                $(let $field = $crate::snapshot::codec::SnapshotValue::load(from)?;)+
                Ok(Self { $($field),+ })
            }
        }
    };
    (enum $name:ident { $($number:literal = $variant:ident),+ $(,)? }) => {
        impl $crate::snapshot::codec::SnapshotValue for $name {
            fn save(&self, to: &mut $crate::snapshot::codec::Writer) {
                to.number(match self { $(Self::$variant => $number),+ });
            }

            fn load(
                from: &mut $crate::snapshot::codec::Reader<'_>,
            ) -> Result<Self, $crate::snapshot::codec::Unreadable> {
                match from.number()? {
                    $($number => Ok(Self::$variant),)+
                    _ => Err(from.broken(concat!("no such ", stringify!($name)))),
                }
            }
        }
    };
    (
        state $name:ident { $($field:ident),+ $(,)? }
        $(nested { $($inner:ident),+ $(,)? })?
        skip { $($limit:ident),* $(,)? }
    ) => {
        impl $crate::snapshot::codec::SnapshotState for $name {
            fn save(&self, to: &mut $crate::snapshot::codec::Writer) {
                let Self { $($field,)+ $($($inner,)+)? $($limit: _),* } = self;
                $($crate::snapshot::codec::SnapshotValue::save($field, to);)+
                $($($crate::snapshot::codec::SnapshotState::save($inner, to);)+)?
            }

            fn restore(
                &mut self,
                from: &mut $crate::snapshot::codec::Reader<'_>,
            ) -> Result<(), $crate::snapshot::codec::Unreadable> {
                let Self { $($field,)+ $($($inner,)+)? $($limit: _),* } = self;
                $(*$field = $crate::snapshot::codec::SnapshotValue::load(from)?;)+
                $($($crate::snapshot::codec::SnapshotState::restore($inner, from)?;)+)?
                Ok(())
            }
        }
    };
}
pub(crate) use snapshot;

impl SnapshotValue for u64 {
    fn save(&self, to: &mut Writer) {
        to.number(*self);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        from.number()
    }
}

impl SnapshotValue for u32 {
    fn save(&self, to: &mut Writer) {
        to.number(u64::from(*self));
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Self::try_from(from.number()?).map_err(|_| from.broken("a number exceeds 32 bits"))
    }
}

impl SnapshotValue for usize {
    fn save(&self, to: &mut Writer) {
        to.number(*self as u64);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Self::try_from(from.number()?).map_err(|_| from.broken("a number exceeds the word size"))
    }
}

impl SnapshotValue for i32 {
    fn save(&self, to: &mut Writer) {
        to.number(u64::from(self.cast_unsigned()));
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(u32::load(from)?.cast_signed())
    }
}

impl SnapshotValue for bool {
    fn save(&self, to: &mut Writer) {
        to.number(u64::from(*self));
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(from.number()? != 0)
    }
}

impl SnapshotValue for Text {
    fn save(&self, to: &mut Writer) {
        to.text(self);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        from.text()
    }
}

impl<T: SnapshotValue> SnapshotValue for Arc<T> {
    fn save(&self, to: &mut Writer) {
        (**self).save(to);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(Self::new(T::load(from)?))
    }
}

impl<T: SnapshotValue> SnapshotValue for Option<T> {
    fn save(&self, to: &mut Writer) {
        self.is_some().save(to);
        if let Some(value) = self {
            value.save(to);
        }
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        if bool::load(from)? { Ok(Some(T::load(from)?)) } else { Ok(None) }
    }
}

impl<A: SnapshotValue, B: SnapshotValue> SnapshotValue for (A, B) {
    fn save(&self, to: &mut Writer) {
        self.0.save(to);
        self.1.save(to);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok((A::load(from)?, B::load(from)?))
    }
}

impl<T: SnapshotValue, const N: usize> SnapshotValue for [T; N] {
    fn save(&self, to: &mut Writer) {
        self.iter().for_each(|value| value.save(to));
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let values: Vec<T> = (0..N).map(|_| T::load(from)).collect::<Result<_, _>>()?;
        values.try_into().map_err(|_| from.broken("a table has another size"))
    }
}

/// Implements [`SnapshotValue`] for a collection: the count, then each element. The capacity grows
/// with the elements that are really read.
macro_rules! collection {
    ($collection:ident<T> $(where T: $($bound:ident)&+)?) => {
        impl<T: SnapshotValue $($(+ $bound)+)?> SnapshotValue for $collection<T> {
            fn save(&self, to: &mut Writer) {
                self.len().save(to);
                self.iter().for_each(|value| value.save(to));
            }

            fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
                let count = from.count()?;
                (0..count).map(|_| T::load(from)).collect()
            }
        }
    };
    ($collection:ident<K, V $(, $hasher:ident)?> where K: $($bound:ident)&+) => {
        impl<K: SnapshotValue $(+ $bound)+, V: SnapshotValue $(, $hasher: BuildHasher + Default)?> SnapshotValue
            for $collection<K, V $(, $hasher)?>
        {
            fn save(&self, to: &mut Writer) {
                self.len().save(to);
                if to.is_canonical() {
                    return save_sorted(self, to);
                }
                for (key, value) in self {
                    key.save(to);
                    value.save(to);
                }
            }

            fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
                let count = from.count()?;
                (0..count).map(|_| Ok((K::load(from)?, V::load(from)?))).collect()
            }
        }
    };
}

/// Writes the entries of a hash table by the bytes of their keys: the order of the table itself
/// differs from process to process.
fn save_sorted<'a, K: SnapshotValue + 'a, V: SnapshotValue + 'a>(
    entries: impl IntoIterator<Item = (&'a K, &'a V)>,
    to: &mut Writer,
) {
    let key_bytes = |(key, _): &(&K, &V)| {
        collected(|sink| {
            let mut bytes = Writer::after(&[], sink);
            key.save(&mut bytes);
            bytes.end();
        })
    };
    let mut entries: Vec<(&K, &V)> = entries.into_iter().collect();
    entries.sort_by_cached_key(key_bytes);
    for (key, value) in entries {
        key.save(to);
        value.save(to);
    }
}

collection!(Vec<T>);
collection!(VecDeque<T>);
collection!(BTreeSet<T> where T: Ord);
collection!(HashMap<K, V, S> where K: Eq & Hash);

/// Value of an entry of a set: no bytes.
const NO_VALUE: [u64; 0] = [];

impl<T: SnapshotValue + Eq + Hash> SnapshotValue for HashSet<T> {
    fn save(&self, to: &mut Writer) {
        self.len().save(to);
        if to.is_canonical() {
            return save_sorted(self.iter().map(|value| (value, &NO_VALUE)), to);
        }
        self.iter().for_each(|value| value.save(to));
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let count = from.count()?;
        (0..count).map(|_| T::load(from)).collect()
    }
}
collection!(BTreeMap<K, V> where K: Ord);
