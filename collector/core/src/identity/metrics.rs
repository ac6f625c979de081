//! Metric families of the address book.

use super::{AddressBook, Liveness};
use crate::batch::Source;
use crate::metrics::{Family, Metric, Visitor, families, visit, visit_rows};
use std::collections::BTreeMap;

/// Samples of `hopscope_filters`; the rest is counted in one with the labels `other`.
const FILTERS_MAX: usize = 20;
const OTHER: &str = "other";

static ADDRESS_BOOK: [Metric<AddressBook>; 7] = [
    Metric::counter(
        "hopscope_identity_authorities_rejected_total",
        "Requested authorities that are shown as `other` because there were too many.",
        |address_book| Some(address_book.authorities_rejected()),
    ),
    Metric::gauge("hopscope_identity_proxies", "Proxies with a known identity.", |address_book| {
        address_book.proxies().into()
    }),
    Metric::counter(
        "hopscope_identity_proxies_evicted_total",
        "Proxies that left for others because `identity.proxies_max` were known; the longest silent leaves first.",
        |address_book| Some(address_book.proxies_evicted()),
    ),
    Metric::gauge("hopscope_identity_addresses", "Addresses that identify proxies.", |address_book| {
        address_book.addresses.len().into()
    }),
    Metric::gauge("hopscope_identity_services", "Services known from cluster names.", |address_book| {
        address_book.services.len().into()
    }),
    Metric::counter(
        "hopscope_identity_services_rejected_total",
        "Services that were not stored because `identity.services_max` were known.",
        |address_book| Some(address_book.services.rejected()),
    ),
    Metric::gauge(
        "hopscope_identity_authorities",
        "Services known from requested authorities only.",
        |address_book| address_book.services.authorities().into(),
    ),
];

static FILTERS: [Metric<u64>; 1] = [Metric::<u64>::gauge(
    "hopscope_filters",
    "Proxies by version and configuration of their filter.",
    |count| (*count).into(),
)
.labels(&["filter_version", "config_hash"])];

static PROXIES: [Metric<usize>; 1] = [Metric::<usize>::gauge(
    "hopscope_proxies",
    "Proxies by liveness; `not_reporting` proxies serve requests, as their peers report, but do not report.",
    |count| (*count).into(),
)
.labels(&["state"])];

/// All declarations.
pub(crate) fn declared() -> impl Iterator<Item = &'static Family> {
    families(&ADDRESS_BOOK).chain(families(&FILTERS)).chain(families(&PROXIES))
}

impl AddressBook {
    /// Visits the families of the address book.
    pub fn metrics(&self, now_us: u64, to: &mut impl Visitor) {
        visit(&ADDRESS_BOOK, self, to);
        let filters = self.filters();
        let filters: Vec<_> =
            filters.iter().map(|([version, config], count)| ([&**version, &**config], *count)).collect();
        visit_rows(&FILTERS, &filters, to);
        let count = |liveness: Liveness| ([liveness.label()], self.count_by_liveness(liveness, now_us));
        visit_rows(&PROXIES, &Liveness::ALL.map(count), to);
    }

    /// Proxies by version and configuration of their filter, the most frequent first. A proxy that
    /// is known from its access log has no filter.
    fn filters(&self) -> Vec<([String; 2], u64)> {
        let mut groups: BTreeMap<(&str, u64), u64> = BTreeMap::new();
        for (_, identity) in self.identities().filter(|(_, identity)| identity.source == Source::Filter) {
            *groups.entry((&identity.filter_version, identity.config_hash)).or_default() += 1;
        }
        let row = |((version, hash), count): ((&str, u64), u64)| {
            ([version.to_owned(), format!("{hash:016x}")], count)
        };
        let mut rows: Vec<_> = groups.into_iter().map(row).collect();
        rows.sort_by(|(a, most), (b, more)| more.cmp(most).then_with(|| a[1].cmp(&b[1])));
        if rows.len() > FILTERS_MAX {
            let rest = rows.drain(FILTERS_MAX - 1..).map(|(_, count)| count).sum();
            rows.push(([OTHER.to_owned(), OTHER.to_owned()], rest));
        }
        rows
    }
}
