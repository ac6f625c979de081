//! Hopscope collector.
