//! `/metrics`: all metric families of the engine, and those of the collector around it.
//!
//! In: read access to the engine, and the counters of servers and journal. Out: calls of a visitor;
//! for HTTP, one exposition. Invariant: the thread of the engine only copies bounded slices;
//! formatting and waiting for the client happen on the calling thread.

mod grpc;
mod journal;
mod process;
mod settings;

pub(super) use hopscope_core::engine::metrics::Scope as What;

use super::prometheus::{Encoder, Format, OpenMetrics, Protobuf, Sink, Text};
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::reader::EngineReader;
use hopscope_core::engine::{self, Engine};
use hopscope_core::metrics::{ByFamily, Family, Samples, Source, Traversal, Visitor};

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

/// Visits all families. Returns `None` when the visit ended early: the visitor or the engine has
/// gone.
pub(crate) fn visit_all<T: Traversal>(
    state: &EngineHandle,
    reader: &EngineReader,
    scope: What,
    to: &mut impl Visitor,
) -> Option<()> {
    engine::metrics::visit_all::<T>(&Reading(reader), || state.now_us(), scope, to)?;
    let mut samples = Samples::new(to.native());
    grpc::visit(state.stats(), &mut samples);
    journal::visit(state.stats().journal(), &mut samples);
    settings::visit(&state.stats().settings().seen(), &mut samples);
    process::visit(state.started_us(), &mut samples);
    T::samples(&samples, to);
    Some(())
}

/// Declarations of all families, in no particular order.
#[must_use]
pub fn declared() -> Vec<&'static Family> {
    let mut all = engine::metrics::declared();
    all.extend(grpc::declared());
    all.extend(journal::declared());
    all.extend(settings::declared());
    all.extend(process::declared());
    all
}

/// Read access to the engine through its reader.
struct Reading<'a>(&'a EngineReader);

impl Source for Reading<'_> {
    type State = Engine;

    fn read<T: Send + 'static>(&self, read: impl FnOnce(&Engine) -> T + Send + 'static) -> Option<T> {
        self.0.read_blocking(read)
    }
}

#[cfg(test)]
mod tests;
