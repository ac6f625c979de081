//! The exposition formats of Prometheus, one encoder each.
//!
//! In: a traversal by family. Out: bytes, in parts not much larger than `PART_BYTES`. Invariant:
//! the samples of a family are contiguous below its head.

mod accept;
mod lines;
mod openmetrics;
mod parts;
mod protobuf;
mod text;

pub(super) use accept::Format;
pub(super) use openmetrics::OpenMetrics;
pub(super) use parts::Sink;
pub(super) use protobuf::Protobuf;
pub(super) use text::Text;

use hopscope_core::metrics::Visitor;

/// An output of `/metrics`.
pub(super) trait Encoder: Visitor {
    /// Hands over the rest.
    fn end(self);
}

#[cfg(test)]
mod tests;
