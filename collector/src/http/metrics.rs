//! `/metrics`: one exposition of all metric families.
//!
//! In: read access to the engine. Out: parts of an exposition. Invariant: formatting and waiting
//! for the client happen on the calling thread.

pub(super) use crate::runtime::metrics::Scope as What;

use super::prometheus::{Encoder, Format, OpenMetrics, Protobuf, Sink, Text};
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::metrics::visit_all;
use crate::runtime::reader::EngineReader;
use hopscope_core::metrics::ByFamily;

/// Writes an exposition, part by part, into `sink`. To be called from a thread that may block.
pub(super) fn render(
    state: &EngineHandle,
    reader: &EngineReader,
    format: Format,
    scope: What,
    sink: &mut Sink<'_>,
) {
    match format {
        Format::Prometheus => encode(state, reader, scope, Text::new(sink)),
        Format::OpenMetrics => encode(state, reader, scope, OpenMetrics::new(sink)),
        Format::Protobuf => encode(state, reader, scope, Protobuf::new(sink)),
    }
}

fn encode(state: &EngineHandle, reader: &EngineReader, scope: What, mut to: impl Encoder) {
    if visit_all::<ByFamily>(state, reader, scope, &mut to).is_some() {
        to.end();
    }
}

#[cfg(test)]
mod tests;
