//! All metric families: those of the engine, and those of the collector around it.
//!
//! In: read access to the engine, and the counters of servers, journal and sinks. Out: calls of a
//! visitor, for an exposition or for a sink. Invariant: the thread of the engine only copies
//! bounded slices; the visitor runs on the calling thread.

mod grpc;
mod http;
mod journal;
mod process;
mod settings;
mod sinks;

pub use hopscope_core::engine::metrics::Scope;

use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::reader::EngineReader;
use hopscope_core::engine::{self, Engine};
use hopscope_core::metrics::{Family, Samples, Source, Traversal, Visitor};

/// Visits all families, from a thread that may block. Returns `None` when the visit ended early:
/// the visitor or the engine has gone.
pub(crate) fn visit_all<T: Traversal>(
    state: &EngineHandle,
    reader: &EngineReader,
    scope: Scope,
    to: &mut impl Visitor,
) -> Option<()> {
    engine::metrics::visit_all::<T>(&Reading(reader), || state.now_us(), scope, to)?;
    let mut samples = Samples::new(to.native());
    grpc::visit(state.stats(), &mut samples);
    http::visit(state.stats().http(), &mut samples);
    journal::visit(state.stats().journal(), &mut samples);
    settings::visit(&state.stats().settings().seen(), &mut samples);
    sinks::visit(&state.stats().sinks().seen(), &mut samples);
    process::visit(state.started_us(), &mut samples);
    T::samples(&samples, to);
    Some(())
}

/// Declarations of all families, in no particular order.
#[must_use]
pub fn declared() -> Vec<&'static Family> {
    let mut all = engine::metrics::declared();
    all.extend(grpc::declared());
    all.extend(http::declared());
    all.extend(journal::declared());
    all.extend(settings::declared());
    all.extend(sinks::declared());
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
