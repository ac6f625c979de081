//! Labels of the series of edges, and the selection of them that outputs carry.
//!
//! In: a list of names. Out: for the labels of a series, those that are exported. Invariant: the
//! default selection leaves names for the labels of a target: with `__name__`, `le`, and `job`,
//! `instance`, `namespace`, `pod`, `container`, `endpoint` and `service` a sample has 30 names.
//!
//! Source: Istio's standard metrics; `peer_evidence` is an addition. `label_limit` of Prometheus,
//! and `max_label_names_per_series` of Mimir, which is 30 by default.

use super::visitor::Labels;

/// Names of all labels of a series of requests, in the order of their values.
pub const EDGE_LABELS: [&str; 26] = [
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_canonical_service",
    "source_canonical_revision",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_cluster",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
    "peer_evidence",
];

/// Labels that are not exported by default: nearly always they repeat canonical service, version
/// and service.
const NOT_BY_DEFAULT: [&str; 5] = [
    "source_app",
    "source_canonical_revision",
    "destination_app",
    "destination_canonical_revision",
    "destination_service_namespace",
];

/// Label without which the two sides of an edge would be added up.
const REQUIRED: &str = "reporter";

/// Word for all labels.
const ALL: &str = "all";

/// Largest number of edits to a name that is suggested instead of an unknown one.
const SUGGESTED_EDITS_MAX: usize = 4;

/// Set of exported labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportedLabels(u32);

impl Default for ExportedLabels {
    fn default() -> Self {
        Self::of(|name| !NOT_BY_DEFAULT.contains(&name))
    }
}

impl ExportedLabels {
    /// All labels.
    pub const ALL: Self = Self((1 << EDGE_LABELS.len()) - 1);

    fn of(is_exported: impl Fn(&str) -> bool) -> Self {
        let bits = EDGE_LABELS.iter().enumerate().filter(|(_, name)| is_exported(name));
        Self(bits.fold(0, |set, (index, _)| set | 1 << index))
    }

    /// Parses names with commas between them, or `all`.
    ///
    /// # Errors
    ///
    /// A description of the first problem.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == ALL {
            return Ok(Self::ALL);
        }
        let names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        if let Some(unknown) = names.iter().find(|name| !EDGE_LABELS.contains(name)) {
            return Err(format!("unknown label `{unknown}`{}", suggestion(unknown)));
        }
        if !names.contains(&REQUIRED) {
            return Err(format!("`{REQUIRED}` is required: without it both sides of an edge add up"));
        }
        Ok(Self::of(|name| names.contains(&name)))
    }

    /// Names of the exported labels, with commas between them.
    #[must_use]
    pub fn names(self) -> String {
        let names = EDGE_LABELS.iter().filter(|name| self.contains(name));
        names.copied().collect::<Vec<_>>().join(",")
    }

    /// Whether a label is exported.
    #[must_use]
    pub fn contains(self, name: &str) -> bool {
        EDGE_LABELS.iter().position(|known| *known == name).is_some_and(|index| self.0 >> index & 1 == 1)
    }

    /// Passes on the labels that are exported.
    pub fn select(self, labels: Labels<'_>, with: impl FnOnce(Labels<'_>)) {
        // Without an allocation: a series has no more labels than there are names.
        let mut selected = [("", ""); EDGE_LABELS.len()];
        let mut count = 0;
        for label in labels.iter().filter(|(name, _)| self.contains(name)) {
            if let Some(free) = selected.get_mut(count) {
                *free = *label;
                count += 1;
            }
        }
        with(selected.get(..count).unwrap_or_default());
    }
}

fn suggestion(unknown: &str) -> String {
    let nearest = EDGE_LABELS.into_iter().map(|name| (strsim::damerau_levenshtein(name, unknown), name));
    match nearest.min().filter(|(edits, _)| *edits <= SUGGESTED_EDITS_MAX) {
        Some((_, name)) => format!("; did you mean `{name}`?"),
        None => format!("; known are {}", EDGE_LABELS.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{EDGE_LABELS, ExportedLabels};

    /// Checks the exported labels, or the problem of a list.
    #[track_caller]
    fn check(list: &str, expected: &str) {
        let names = ExportedLabels::parse(list).map_or_else(|problem| problem, ExportedLabels::names);
        assert_eq!(names, expected);
    }

    #[test]
    fn a_list_is_known_names() {
        check("reporter, source_workload,", "reporter,source_workload");
        check("response_code,reporter", "reporter,response_code");
        check("all", &EDGE_LABELS.join(","));
        check("reporter,source_worklod", "unknown label `source_worklod`; did you mean `source_workload`?");
        check("source_workload", "`reporter` is required: without it both sides of an edge add up");
        assert!(
            ExportedLabels::parse("reporter,pod").unwrap_err().contains("known are reporter, source_work")
        );
    }

    #[test]
    fn the_default_leaves_names_for_the_labels_of_a_target() {
        let own = ExportedLabels::default().names().split(',').count();
        let target = ["job", "instance", "namespace", "pod", "container", "endpoint", "service"].len();
        assert_eq!(own + ["__name__", "le"].len() + target, 30);
    }

    #[test]
    fn selected_labels_keep_their_order() {
        let labels =
            [("reporter", "source"), ("source_app", "shop"), ("verdict", "x"), ("response_code", "0")];
        ExportedLabels::default().select(&labels, |selected| {
            assert_eq!(selected, [("reporter", "source"), ("response_code", "0")]);
        });
    }
}
