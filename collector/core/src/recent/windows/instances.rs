//! Numbers for the addresses of called instances.
//!
//! In: addresses. Out: a number for each. Always holds: at most [`INSTANCES_MAX`] of at most
//! [`ADDRESS_BYTES_MAX`] bytes are known; a number stands for its address as long as a cell has it.

use super::OTHERS;
use crate::batch::Text;
use crate::interner::Registry;

/// Instances of all edges together; what is more is among the others of its edge.
const INSTANCES_MAX: usize = 65_536;
/// A longer one is no address and no node id.
const ADDRESS_BYTES_MAX: usize = 512;

/// Addresses, and whether any cell has them.
#[derive(Debug)]
pub(super) struct Instances {
    known: Registry<Text, bool>,
    bytes: usize,
}

impl Default for Instances {
    fn default() -> Self {
        Self { known: Registry::new(INSTANCES_MAX), bytes: 0 }
    }
}

impl Instances {
    /// The number of an address; that of all others where there is no room.
    pub(super) fn number(&mut self, address: &str) -> u32 {
        if let Some(number) = self.known.find(address) {
            return number;
        }
        if address.len() > ADDRESS_BYTES_MAX {
            return OTHERS;
        }
        let number = self.known.number(&address.into(), || true);
        if number.is_some() {
            self.bytes += instance_bytes(address);
        }
        number.unwrap_or(OTHERS)
    }

    /// The address of a number; `None` for a number that stands for several.
    pub(super) fn address(&self, number: u32) -> Option<&str> {
        self.known.key(number).map(|address| &**address)
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Once there are many, lets go of those that are not `used`.
    pub(super) fn forget(&mut self, used: impl Iterator<Item = u32>) {
        if self.known.len() <= INSTANCES_MAX / 2 {
            return;
        }
        self.known.values_mut().for_each(|used| *used = false);
        for number in used {
            if let Some(used) = self.known.get_mut(number) {
                *used = true;
            }
        }
        self.known.retain(|used| *used);
        self.bytes = self.known.iter().map(|(address, _)| instance_bytes(address)).sum();
    }
}

/// What an address takes, its entry included.
fn instance_bytes(address: &str) -> usize {
    address.len() + 64
}
