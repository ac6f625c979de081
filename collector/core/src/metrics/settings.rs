//! Section `metrics`.

use super::ExportedLabels;
use crate::section;
use crate::settings::Conflict;

section! {
    /// Labels of metrics.
    "metrics": Settings {
        /// Labels of the series of edges that `/metrics` and the sinks carry, with commas between
        /// them, or `all`. Series that are equal in these labels are added up. With the default, a
        /// sample has at most 30 label names, those of a Kubernetes target included; `label_limit`
        /// of the scraper must be larger for more.
        labels: String = ExportedLabels::default().names();
    }
    conflicts: conflicts
}

impl Settings {
    /// The exported labels; the default ones in place of an invalid list, which no program starts
    /// with.
    #[must_use]
    pub fn exported(&self) -> ExportedLabels {
        ExportedLabels::parse(&self.labels).unwrap_or_default()
    }
}

fn conflicts(settings: &Settings) -> Vec<Conflict> {
    ExportedLabels::parse(&settings.labels)
        .err()
        .map(|problem| ("metrics.labels", problem))
        .into_iter()
        .collect()
}
