//! The root contexts (plugins) of in-flight requests, and the side of calls on which each is.

use crate::record::Reporter;

/// Root contexts that are remembered without an in-flight request.
const ROOTS_MAX: usize = 32;

/// The root contexts.
#[derive(Debug, Default)]
pub(super) struct Roots {
    roots: Vec<Root>,
}

#[derive(Debug)]
struct Root {
    root: u32,
    in_flight: u64,
    /// The reporter of its requests; unspecified until a request has ended or was refreshed.
    reporter: Reporter,
    /// Whether its requests have different reporters: since 1.33 Envoy runs one plugin for all
    /// listeners with an equal configuration.
    is_mixed: bool,
}

impl Roots {
    /// Counts a request that begins.
    pub(super) fn begin(&mut self, root: u32) {
        match self.roots.iter_mut().find(|known| known.root == root) {
            Some(known) => known.in_flight = known.in_flight.saturating_add(1),
            None => {
                if self.roots.len() >= ROOTS_MAX {
                    self.roots.retain(|known| known.in_flight > 0);
                }
                self.roots.push(Root {
                    root,
                    in_flight: 1,
                    reporter: Reporter::Unspecified,
                    is_mixed: false,
                });
            }
        }
    }

    /// Counts a request that ends.
    pub(super) fn end(&mut self, root: u32) {
        if let Some(known) = self.roots.iter_mut().find(|known| known.root == root) {
            known.in_flight = known.in_flight.saturating_sub(1);
        }
    }

    /// Stores the reporter of a request.
    pub(super) fn set_reporter(&mut self, root: u32, reporter: Reporter) {
        if let Some(known) = self.roots.iter_mut().find(|known| known.root == root) {
            known.is_mixed |= known.reporter != Reporter::Unspecified && known.reporter != reporter;
            known.reporter = reporter;
        }
    }

    /// Returns the reporter of all requests of a root context; `None` where they differ.
    pub(super) fn reporter(&self, root: u32) -> Option<Reporter> {
        self.roots.iter().find(|it| it.root == root && !it.is_mixed).map(|it| it.reporter)
    }
}
