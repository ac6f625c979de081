//! Changes of groups that could not be written, for the next group.
//!
//! Invariant: a change of limits is never lost; at most [`ENDS_MAX`] ends of epochs wait, and the
//! ledger closes the other epochs after their silence. A tick is not repeated, because the next one
//! covers it; a batch is not repeated, because its filter sends it again.

use crate::journal::queue::{ENDS_MAX, Item};
use crate::runtime::change_log::Change;

#[derive(Debug, Default)]
pub(super) struct Retry(Vec<Change>);

impl Retry {
    /// Puts the waiting changes before a group.
    pub(super) fn with(&mut self, items: Vec<Item>) -> Vec<Item> {
        if self.0.is_empty() {
            return items;
        }
        self.0.drain(..).map(Item::Change).chain(items).collect()
    }

    /// Keeps the changes of a failed group, and of limits the last.
    pub(super) fn retain(&mut self, items: &mut Vec<Item>) {
        let mut limits = None;
        for item in items.extract_if(.., |item| matches!(item, Item::Change(_))) {
            match item {
                Item::Change(change @ Change::SetLimits { .. }) => limits = Some(change),
                Item::Change(change @ Change::EndEpoch { .. }) if self.0.len() < ENDS_MAX => {
                    self.0.push(change);
                }
                _ => {}
            }
        }
        self.0.extend(limits);
    }
}
