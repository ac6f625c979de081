//! Engine cell: the engine and its lock.
//!
//! In: functions of the engine. Out: their results. Invariant: a function runs to its end under
//! the lock and cannot wait for anything, so that the lock is held for microseconds.

use hopscope_core::engine::Engine;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared cell with the engine. [`EngineHandle`](super::engine_handle::EngineHandle) reads it; the
/// journal, where there is one, applies changes to it.
#[derive(Debug, Clone)]
pub struct EngineCell(Arc<Mutex<Engine>>);

impl EngineCell {
    /// Puts an engine into a cell.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self(Arc::new(Mutex::new(engine)))
    }

    /// Runs a function that reads the engine.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Engine) -> T) -> T {
        read(&self.lock())
    }

    /// Runs a function that changes the engine.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Engine) -> T) -> T {
        change(&mut self.lock())
    }

    /// A panic of another holder left the engine between two steps; the collector goes on with it.
    fn lock(&self) -> MutexGuard<'_, Engine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
