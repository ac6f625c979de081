//! All metric families of the engine, in the order in which they are visited.
//!
//! In: read access to the engine. Out: calls of a visitor. Invariant: small families are copied
//! stage by stage, series of edges in slices, so that one access is short; two families may
//! therefore be of different moments.

mod pending;

use super::Engine;
use crate::aggregate::connections::metrics::{self as flows, Streams, Tcp};
use crate::aggregate::metrics::{self as aggregate, Requests};
use crate::join::metrics::{self as join, Hops};
use crate::metrics::{Family, Samples, Source, Traversal, Visitor};
use crate::recent::{failures, in_flight, windows};
use crate::{detect, identity, ledger};

/// Which families are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All families.
    All,
    /// All families but those with a series per edge: requests, hops, connections and streams.
    Own,
}

/// Families of one stage that are copied in one access.
struct Part {
    declared: fn() -> Vec<&'static Family>,
    /// Copies them. The number is the current time, microseconds since the Unix epoch.
    visit: fn(&Engine, u64, &mut Samples),
}

macro_rules! part {
    ($declared:expr, $visit:expr) => {
        Part { declared: || $declared.collect(), visit: $visit }
    };
}

/// Visited first; [`Engine::pending_metrics`] has the reason.
const PENDING: Part = part!(pending::declared(), |engine, _, to| engine.pending_metrics(to));

/// One line per stage.
const PARTS: [Part; 11] = [
    part!(flows::tcp_declared(), |engine, _, to| engine.connections.tcp_metrics(to)),
    part!(flows::streams_declared(), |engine, _, to| engine.streams.stream_metrics(to)),
    part!(join::declared(), |engine, _, to| engine.join.metrics(to)),
    part!(in_flight::metrics::declared(), |engine, now_us, to| engine.in_flight.metrics(now_us, to)),
    part!(ledger::metrics::declared(), |engine, _, to| engine.ledger.metrics(to)),
    part!(aggregate::declared(), |engine, _, to| engine.aggregate.metrics(to)),
    part!(pending::cache_declared(), |engine, _, to| engine.edge_cache_metrics(to)),
    part!(failures::metrics::declared(), |engine, _, to| {
        engine.failures.metrics(engine.pending.failed_records(), to);
    }),
    part!(windows::metrics::declared(), |engine, _, to| engine.windows.metrics(to)),
    part!(detect::metrics::declared(), |engine, _, to| engine.detect.metrics(to)),
    part!(identity::metrics::declared(), |engine, now_us, to| engine.address_book.metrics(now_us, to)),
];

/// Declarations of all families, in no particular order.
#[must_use]
pub fn declared() -> Vec<&'static Family> {
    [PENDING].iter().chain(&PARTS).flat_map(|part| (part.declared)()).collect()
}

/// Visits all families. `now_us`: clock, microseconds since the Unix epoch. Returns `None` when the
/// visit ended early: the visitor or the owner of the engine has gone.
pub fn visit_all<T: Traversal>(
    source: &impl Source<State = Engine>,
    now_us: impl Fn() -> u64,
    scope: Scope,
    to: &mut impl Visitor,
) -> Option<()> {
    let native = to.native();
    let copy = |part: &Part, now_us: u64| {
        let visit = part.visit;
        source.read(move |engine| {
            let mut samples = Samples::new(native);
            visit(engine, now_us, &mut samples);
            samples
        })
    };
    T::samples(&copy(&PENDING, now_us())?, to);
    if scope == Scope::All {
        T::group::<Requests, _>(source, |engine| (&engine.edges, &engine.aggregate), to)?;
        T::group::<Hops, _>(source, Engine::join, to)?;
        T::group::<Tcp, _>(source, |engine| (&engine.edges, &engine.connections), to)?;
        T::group::<Streams, _>(source, |engine| (&engine.edges, &engine.streams), to)?;
    }
    let now_us = now_us();
    for part in &PARTS {
        T::samples(&copy(part, now_us)?, to);
    }
    Some(())
}

#[cfg(test)]
mod tests;
