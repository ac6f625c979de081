//! The family of filter versions.
//!
//! In: the address book. Out: one sample per version and configuration.

use super::super::json::filters::rows;
use super::super::prometheus::{Exposition, Kind};
use hopscope_core::identity::AddressBook;

/// `hopscope_filters`.
pub(super) fn metrics(text: &mut Exposition<'_>, book: &AddressBook) {
    text.family("hopscope_filters", Kind::Gauge, "Proxies by version and configuration of their filter.");
    for row in rows(book) {
        let labels = [("filter_version", &*row.filter_version), ("config_hash", &*row.config_hash)];
        text.sample("hopscope_filters", &labels, row.proxies);
    }
}
