//! Interned addresses of called instances.
//!
//! Invariant: at most [`INSTANCES_MAX`] addresses of at most [`ADDRESS_BYTES_MAX`] bytes. A number
//! belongs to its address as long as a cell uses it.

use super::OTHERS;
use crate::batch::Text;
use crate::interner::Interner;
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer};
use crate::snapshot::interned;

/// Limit of instances over all edges; further ones count as others of their edge.
const INSTANCES_MAX: usize = 65_536;
/// Limit of an address in bytes. Longer texts are neither addresses nor node ids.
const ADDRESS_BYTES_MAX: usize = 512;

/// Addresses, with a mark for those in use.
#[derive(Debug)]
pub(super) struct Instances {
    addresses: Interner<Text, bool>,
    bytes: usize,
}

impl Default for Instances {
    fn default() -> Self {
        Self { addresses: Interner::new(INSTANCES_MAX), bytes: 0 }
    }
}

impl Instances {
    /// Returns the number of an address; the number of the others above the limit.
    pub(super) fn number(&mut self, address: &str) -> u32 {
        if let Some(number) = self.addresses.find(address) {
            return number;
        }
        if address.len() > ADDRESS_BYTES_MAX {
            return OTHERS;
        }
        let number = self.addresses.number(&address.into(), || true);
        if number.is_some() {
            self.bytes += instance_bytes(address);
        }
        number.unwrap_or(OTHERS)
    }

    /// Returns the address of a number; `None` for a number that stands for several.
    pub(super) fn address(&self, number: u32) -> Option<&str> {
        self.addresses.key(number).map(|address| &**address)
    }

    pub(super) fn len(&self) -> usize {
        self.addresses.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Removes addresses that are not in `used`, if there are many.
    pub(super) fn remove_unused(&mut self, used: impl Iterator<Item = u32>) {
        if self.addresses.len() <= INSTANCES_MAX / 2 {
            return;
        }
        self.addresses.values_mut().for_each(|used| *used = false);
        for number in used {
            if let Some(used) = self.addresses.get_mut(number) {
                *used = true;
            }
        }
        self.addresses.retain(|used| *used);
        self.bytes = self.addresses.iter().map(|(address, _)| instance_bytes(address)).sum();
    }
}

impl SnapshotValue for Instances {
    fn save(&self, to: &mut Writer) {
        interned::save(&self.addresses, to, |address, _, to| address.save(to));
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let addresses = interned::load(from, |from| Ok((Text::load(from)?, true)))?;
        let bytes = addresses.iter().map(|(_, address, _)| instance_bytes(address)).sum();
        Ok(Self { addresses: Interner::restored(INSTANCES_MAX, addresses.into_iter()), bytes })
    }
}

/// Returns the memory of an address with its entry.
fn instance_bytes(address: &str) -> usize {
    address.len() + 64
}
