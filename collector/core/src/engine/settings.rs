//! Settings of the stages.

use crate::recent::{failures, windows};
use crate::{aggregate, detect, identity, join, ledger, metrics, sections};

sections! {
    /// The settings of each stage, in the order of the data.
    Settings {
        /// Settings of the ledger.
        ledger: ledger::Settings,
        /// Settings of the address book.
        identity: identity::Settings,
        /// Settings of the join.
        join: join::Settings,
        /// Settings of counters and histograms.
        aggregate: aggregate::Settings,
        /// Labels of metrics.
        metrics: metrics::Settings,
        /// Settings of the most recent failures.
        failures: failures::Settings,
        /// Settings of the windows.
        windows: windows::Settings,
        /// Settings of the detectors.
        detect: detect::Settings,
    }
}
