//! Names of settings and metrics of the collectors that are measured.
//!
//! Invariant: the names of one thing stand in the order in which they are tried. A baseline may be
//! an older build, in which a setting or a metric has an earlier name; add that name at the end.

/// Names of one setting or metric, the newest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names(&'static [&'static str]);

/// Address of the gRPC listener.
pub(crate) const GRPC_ADDRESS: Names = Names(&["--grpc-address"]);
/// Address of the HTTP listener.
pub(crate) const HTTP_ADDRESS: Names = Names(&["--http-address"]);
/// Folder of the journal; without it there is none.
pub(crate) const DATA_DIR: Names = Names(&["--data-dir"]);
/// Whether both sides of a hop are joined.
pub(crate) const JOIN: Names = Names(&["--join"]);
/// Limit of request series.
pub(crate) const SERIES_MAX: Names = Names(&["--series-max"]);
/// Limit of edges in the join.
pub(crate) const JOIN_EDGES_MAX: Names = Names(&["--join-edges-max"]);

/// Records that were counted.
pub(crate) const DELIVERED: Names = Names(&["hopscope_ledger_delivered_total"]);
/// Records that the join holds until the other side reports.
pub(crate) const PENDING_RECORDS: Names = Names(&["hopscope_join_pending_records", "hopscope_join_open"]);
/// Memory of the table of these records.
pub(crate) const PENDING_BYTES: Names = Names(&["hopscope_join_pending_bytes", "hopscope_join_open_bytes"]);
/// Request series.
pub(crate) const SERIES: Names = Names(&["hopscope_series"]);

impl Names {
    /// The name of an option as a help text lists it; the newest where it lists none.
    pub(crate) fn in_help(self, help: &str) -> &'static str {
        let listed = |name: &&&str| help.split([' ', '\n', '=']).any(|word| word == **name);
        self.0.iter().find(listed).or(self.0.first()).copied().unwrap_or_default()
    }

    /// Value of a sample without labels in an exposition.
    pub(crate) fn sample(self, text: &str) -> Option<u64> {
        self.0.iter().find_map(|name| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
            value.parse().ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn an_older_name_is_found_where_the_new_one_is_missing() {
        let names = Names(&["--series-limit", "--series-max"]);
        assert_eq!(names.in_help("  --series-max <N>\n"), "--series-max");
        assert_eq!(names.in_help("  --series-max <N>\n  --series-limit <N>\n"), "--series-limit");
        let names = Names(&["hopscope_new", "hopscope_old"]);
        assert_eq!(names.sample("hopscope_older 3\nhopscope_old 7\n"), Some(7));
        assert_eq!(names.sample(""), None);
    }
}
