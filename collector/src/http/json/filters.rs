//! Which filters there are in the mesh, by version and configuration, so that drift shows.
//!
//! In: the address book. Out: a row for each version and configuration, the most frequent first. Always holds: at most
//! [`ROWS_MAX`] rows, the last of them liveness for all others; an access log has no configuration, and no row.

use hopscope_core::batch::Source;
use hopscope_core::identity::AddressBook;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows; more are not a drift but a mistake.
const ROWS_MAX: usize = 20;
/// Proxies that are named in a row.
const NAMED_MAX: usize = 3;
/// Stands for what found no row.
const OTHERS: &str = "other";

/// Proxies whose filters are alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterRow {
    /// Of the filter.
    pub filter_version: String,
    /// Of the plugin configuration in force, hexadecimal.
    pub config_hash: String,
    /// How many proxies.
    pub proxies: u64,
    /// Some of them.
    pub named: Vec<String>,
}

/// All rows.
pub(crate) fn rows(book: &AddressBook) -> Vec<FilterRow> {
    let mut groups: BTreeMap<(&str, u64), (u64, Vec<&str>)> = BTreeMap::new();
    for (proxy, identity) in book.identities().filter(|(_, identity)| identity.source == Source::Filter) {
        let (count, named) = groups.entry((&identity.filter_version, identity.config_hash)).or_default();
        *count += 1;
        named.push(proxy);
    }
    let mut rows: Vec<FilterRow> = groups
        .into_iter()
        .map(|((version, hash), (proxies, mut named))| {
            named.sort_unstable();
            FilterRow {
                filter_version: version.to_owned(),
                config_hash: format!("{hash:016x}"),
                proxies,
                named: named.into_iter().take(NAMED_MAX).map(str::to_owned).collect(),
            }
        })
        .collect();
    rows.sort_by(|a, b| b.proxies.cmp(&a.proxies).then_with(|| a.config_hash.cmp(&b.config_hash)));
    if rows.len() > ROWS_MAX {
        let proxies = rows.drain(ROWS_MAX - 1..).map(|row| row.proxies).sum();
        let others = OTHERS.to_owned();
        rows.push(FilterRow {
            filter_version: others.clone(),
            config_hash: others,
            proxies,
            named: Vec::new(),
        });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::rows;
    use hopscope_core::batch::Identity;
    use hopscope_core::identity::{AddressBook, Settings};

    #[track_caller]
    fn check(proxies: &[(&str, u64)], expected: &str) {
        let mut book = AddressBook::new(Settings::default());
        for (proxy, config_hash) in proxies {
            let identity =
                Identity { filter_version: "1".into(), config_hash: *config_hash, ..Identity::default() };
            assert!(book.introduce(&(*proxy).into(), identity, 1));
        }
        let text = rows(&book).into_iter().map(|row| {
            let hash = row.config_hash.trim_start_matches('0').to_owned();
            format!("{hash}:{}({})", row.proxies, row.named.join(","))
        });
        assert_eq!(text.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn the_one_that_differs_is_named() {
        check(&[("a", 1), ("b", 2), ("c", 1)], "1:2(a,c) 2:1(b)");
        check(&[("a", 1), ("b", 1), ("d", 1), ("c", 1)], "1:4(a,b,c)");
    }

    #[test]
    fn rows_are_bounded() {
        let names: Vec<String> = (1..30).map(|n| format!("p{n:02}")).collect();
        let proxies: Vec<(&str, u64)> =
            names.iter().zip(1..).map(|(name, hash)| (name.as_str(), hash)).collect();
        let mut book = AddressBook::new(Settings::default());
        for (proxy, config_hash) in &proxies {
            let identity = Identity { config_hash: *config_hash, ..Identity::default() };
            assert!(book.introduce(&(*proxy).into(), identity, 1));
        }
        let rows = rows(&book);
        assert_eq!((rows.len(), rows.iter().map(|row| row.proxies).sum::<u64>()), (20, 29));
    }
}
