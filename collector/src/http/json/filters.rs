//! Versions and configurations of the filters, so that differences within a mesh are visible.
//!
//! Invariant: at most [`ROWS_MAX`] rows, the most frequent first; the last one then counts all
//! others. Proxies that report with access logs have no filter and are not counted.

use hopscope_core::batch::{Identity, Source, Text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows at most.
const ROWS_MAX: usize = 20;
/// Proxies whose names a row contains.
const NAMED_MAX: usize = 3;
/// Label of all versions beyond the limit.
const OTHERS: &str = "other";

/// Proxies whose filters have the same version and configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterRow {
    /// Version of the filter.
    pub filter_version: String,
    /// Hash of the plugin configuration in force, hexadecimal.
    pub config_hash: String,
    /// Number of proxies.
    pub proxies: u64,
    /// Node ids of the first proxies.
    pub named: Vec<String>,
}

/// Version and configuration of a filter.
pub(super) type FilterId = (Text, u64);

/// Returns the version and configuration of the filter of a proxy.
pub(super) fn filter_of(identity: &Identity) -> Option<FilterId> {
    (identity.source == Source::Filter).then(|| (identity.filter_version.clone(), identity.config_hash))
}

/// Proxies by version and configuration of their filter.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<FilterId, (u64, Vec<Text>)>);

impl Groups {
    /// Counts a proxy. Proxies come in the order of their names.
    pub(super) fn add(&mut self, proxy: &Text, filter: FilterId) {
        let (count, named) = self.0.entry(filter).or_default();
        *count = count.saturating_add(1);
        if named.len() < NAMED_MAX {
            named.push(proxy.clone());
        }
    }

    /// Returns the rows.
    pub(super) fn rows(self) -> Vec<FilterRow> {
        let row = |((version, hash), (proxies, named)): (FilterId, (u64, Vec<Text>))| FilterRow {
            filter_version: version.to_string(),
            config_hash: format!("{hash:016x}"),
            proxies,
            named: named.iter().map(ToString::to_string).collect(),
        };
        let mut rows: Vec<FilterRow> = self.0.into_iter().map(row).collect();
        rows.sort_by(|a, b| b.proxies.cmp(&a.proxies).then_with(|| a.config_hash.cmp(&b.config_hash)));
        if rows.len() > ROWS_MAX {
            let proxies = rows.drain(ROWS_MAX - 1..).map(|row| row.proxies).sum();
            let (filter_version, config_hash) = (OTHERS.to_owned(), OTHERS.to_owned());
            rows.push(FilterRow { filter_version, config_hash, proxies, named: Vec::new() });
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::Groups;

    fn groups(proxies: &[(&str, u64)]) -> Groups {
        let mut groups = Groups::default();
        for (proxy, config_hash) in proxies {
            groups.add(&(*proxy).into(), ("1".into(), *config_hash));
        }
        groups
    }

    #[track_caller]
    fn check(proxies: &[(&str, u64)], expected: &str) {
        let text = groups(proxies).rows().into_iter().map(|row| {
            let hash = row.config_hash.trim_start_matches('0').to_owned();
            format!("{hash}:{}({})", row.proxies, row.named.join(","))
        });
        assert_eq!(text.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn a_proxy_with_another_configuration_is_named() {
        check(&[("a", 1), ("b", 2), ("c", 1)], "1:2(a,c) 2:1(b)");
        check(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)], "1:4(a,b,c)");
    }

    #[test]
    fn rows_are_bounded() {
        let names: Vec<String> = (1..30).map(|n| format!("p{n:02}")).collect();
        let proxies: Vec<_> = names.iter().zip(1..).map(|(name, hash)| (name.as_str(), hash)).collect();
        let rows = groups(&proxies).rows();
        assert_eq!((rows.len(), rows.iter().map(|row| row.proxies).sum::<u64>()), (20, 29));
    }
}
