//! How values are kept.
//!
//! In: a type and its fields, named once by [`keep!`] beside the type. Out: [`SnapshotValue`] for plain values, [`SnapshotState`] for
//! rooms, whose limits are no state. Always holds: every field is either kept or named as not kept; a field that is added
//! and forgotten here does not compile.

pub(crate) use super::bytes::{Reader, Writer};

use crate::batch::Text;
pub(crate) use crate::snapshot::Unreadable;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// A value that is written and read as a whole.
pub(crate) trait SnapshotValue: Sized {
    /// Writes it.
    fn save(&self, to: &mut Writer);
    /// Reads it.
    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable>;
}

/// A room: its state comes back into one that was made with today's limits.
pub(crate) trait SnapshotState {
    /// Writes its state.
    fn save(&self, to: &mut Writer);
    /// Replaces its state.
    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable>;
}

/// Implements [`SnapshotValue`] for a struct or an enum without content, or [`SnapshotState`] for a room, with the rooms within it.
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
        Self::try_from(from.number()?).map_err(|_| from.broken("a number is over 32 bits"))
    }
}

impl SnapshotValue for usize {
    fn save(&self, to: &mut Writer) {
        to.number(*self as u64);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Self::try_from(from.number()?).map_err(|_| from.broken("a number is over the word size"))
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

/// A collection: how many, then each. Capacity grows with what is really read.
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

collection!(Vec<T>);
collection!(VecDeque<T>);
collection!(BTreeSet<T> where T: Ord);
collection!(HashSet<T> where T: Eq & Hash);
collection!(BTreeMap<K, V> where K: Ord);
collection!(HashMap<K, V, S> where K: Eq & Hash);
