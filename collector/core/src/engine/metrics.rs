//! All metric families of the engine, in the order in which they are visited.
//!
//! In: read access to the engine. Out: calls of a visitor. Invariant: small families are copied
//! stage by stage, series of edges in slices, so that one access is short; two families may
//! therefore be of different moments.

mod pending;

use super::Engine;
use super::stages::stages;
use crate::aggregate::connections::metrics::{Streams, Tcp};
use crate::aggregate::metrics::Requests;
use crate::join::metrics::Hops;
use crate::metrics::{Family, Samples, Source, Traversal, Visitor};

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

/// Visited first; [`Engine::pending_metrics`] has the reason.
const PENDING: Part =
    Part { declared: || pending::declared().collect(), visit: |engine, _, to| engine.pending_metrics(to) };

macro_rules! parts {
    ($(
        $(#[$doc:meta])+
        $reach:tt $name:ident: $stage:ty, settings $settings:tt, snapshot $snapshot:tt, metrics $metrics:tt;
    )*) => {
        /// Families of each stage, one part or none, in the order of the list.
        const PARTS: &[&[Part]] = &[$(parts!(@row $metrics)),*];
    };
    (@row (none)) => { &[] };
    (@row ($declared:expr, $visit:expr)) => {
        &[Part { declared: || $declared().collect(), visit: $visit }]
    };
}

stages!(parts);

/// The parts of the stages.
fn parts() -> impl Iterator<Item = &'static Part> {
    PARTS.iter().copied().flatten()
}

/// Declarations of all families, in no particular order.
#[must_use]
pub fn declared() -> Vec<&'static Family> {
    [PENDING].iter().chain(parts()).flat_map(|part| (part.declared)()).collect()
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
    for part in parts() {
        T::samples(&copy(part, now_us)?, to);
    }
    Some(())
}

#[cfg(test)]
mod tests;
