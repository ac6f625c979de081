//! Hopscope filter.
