//! Metric families as data, and the ways to visit them.
//!
//! A stage declares its families in a file `metrics.rs` below its folder: a table of [`Metric`]s,
//! each with name, kind, HELP text, labels, and the function that reads its value. Every output
//! implements [`Visitor`] and uses one of two traversals over the same tables: [`ByFamily`], which
//! the exposition formats of Prometheus require, and [`BySeries`], which push sinks use to send all
//! families of a series together. A number is therefore the same in every output.
//!
//! Adding families to a stage takes one file and one line:
//! 1. `<stage>/metrics.rs`: a table for values without labels ([`visit`]), with a few label values
//!    ([`visit_rows`]), or with a series per edge ([`Group`]).
//! 2. One line in the list of `engine/metrics.rs`.
//!
//! `metrics/tests.rs` is a complete example of each form.
//!
//! In: state of a stage. Out: calls of a visitor. Invariant: both traversals visit the same
//! samples; the owner of the state copies at most [`SLICE`] series at a time. Series that are equal
//! in the exported labels ([`ExportedLabels`]) are added up ([`Projection`]).

mod buckets;
mod exported_labels;
mod family;
mod group;
mod metric;
mod projection;
mod samples;
mod settings;
mod value;
mod visitor;

pub use buckets::{Buckets, Exemplar};
pub use exported_labels::{EDGE_LABELS, ExportedLabels};
pub use family::{Family, Kind, Unit};
pub use group::{ByFamily, BySeries, Group, Local, Source, Traversal};
pub use metric::{Metric, Read, families, visit, visit_rows};
pub use projection::{Cursor, Part, Projection, SLICE, Slice};
pub use samples::Samples;
pub use settings::Settings;
pub use visitor::{Extra, Labels, Number, Visitor};

/// Microseconds per second: stages count microseconds, metrics are in seconds.
pub const SECOND_US: f64 = 1_000_000.0;

/// Seconds from microseconds.
#[must_use]
pub fn seconds(us: u64) -> f64 {
    us as f64 / SECOND_US
}

#[cfg(test)]
mod tests;
