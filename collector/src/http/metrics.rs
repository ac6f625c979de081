//! `/metrics`: one exposition of all metric families.
//!
//! In: read access to the engine. Out: parts of an exposition. Invariant: formatting, compression
//! and waiting for the client happen on the calling thread.

pub(super) use crate::runtime::metrics::Scope;

use super::compression::{Encoding, Gzip};
use super::prometheus::{Encoder, Format, OpenMetrics, Protobuf, Sink, Text};
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::metrics::visit_all;
use crate::runtime::reader::EngineReader;
use hopscope_core::metrics::ByFamily;

/// Properties of an exposition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    /// Format.
    pub(super) format: Format,
    /// Families.
    pub(super) scope: Scope,
    /// Compression.
    pub(super) encoding: Encoding,
    /// Whether OpenMetrics has samples `_created`.
    pub(super) created_samples: bool,
}

impl Page {
    /// Writes the exposition, part by part, into `sink`. To be called from a thread that may block.
    pub(super) fn render(self, state: &EngineHandle, reader: &EngineReader, sink: &mut Sink<'_>) {
        if self.encoding == Encoding::Identity {
            let _ = self.write(state, reader, sink);
            return;
        }
        let mut gzip = Gzip::new();
        let is_complete = self.write(state, reader, &mut |part| {
            let compressed = gzip.part(&part);
            compressed.is_empty() || sink(compressed)
        });
        // A client sees from the missing end that an exposition is incomplete.
        if is_complete.is_some() {
            sink(gzip.end());
        }
    }

    fn write(self, state: &EngineHandle, reader: &EngineReader, sink: &mut Sink<'_>) -> Option<()> {
        match self.format {
            Format::Prometheus => self.encode(state, reader, Text::new(sink)),
            Format::OpenMetrics => self.encode(state, reader, OpenMetrics::new(sink, self.created_samples)),
            Format::Protobuf => self.encode(state, reader, Protobuf::new(sink)),
        }
    }

    fn encode(self, state: &EngineHandle, reader: &EngineReader, mut to: impl Encoder) -> Option<()> {
        visit_all::<ByFamily>(state, reader, self.scope, &mut to)?;
        to.end();
        Some(())
    }
}

#[cfg(test)]
mod tests;
