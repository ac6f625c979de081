//! Labels of a series, as the core resolves them.

pub(super) use hopscope_core::aggregate::labels::SeriesLabels as Values;
