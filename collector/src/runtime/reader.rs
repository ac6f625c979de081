//! Engine reader: reads the engine in slices, from tasks and from threads that render.
//!
//! In: functions that copy some rows. Out: the copies. Invariant: a thread that renders never
//! holds the lock of the engine. The system may suspend such a thread for as long as others have
//! work, and all batches would wait with it. A task on the thread of the batches runs the
//! functions instead, between two pieces of other work.

use crate::runtime::engine_handle::EngineHandle;
use hopscope_core::engine::Engine;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

type Read = Box<dyn FnOnce(&Engine) + Send>;

/// Reader of the engine.
#[derive(Clone)]
pub struct EngineReader {
    handle: Arc<EngineHandle>,
    requests: mpsc::Sender<Read>,
}

impl EngineReader {
    /// Returns a reader, and the task that serves [`Self::read_blocking`]; the task ends with the
    /// last clone of the reader.
    pub fn new(handle: Arc<EngineHandle>) -> (Self, impl Future<Output = ()>) {
        let (requests, mut reads) = mpsc::channel::<Read>(1);
        let reader = Self { handle: handle.clone(), requests };
        let serve = async move {
            while let Some(read) = reads.recv().await {
                handle.read(read).await;
            }
        };
        (reader, serve)
    }

    /// Runs a function on the engine, from a task. The function copies some hundred rows at most.
    pub async fn read<T>(&self, read: impl FnOnce(&Engine) -> T) -> T {
        self.handle.read(read).await
    }

    /// Runs a function on the engine and waits for its value, from a thread that is no task;
    /// `None` when the task has stopped. The function copies some hundred rows at most.
    pub fn read_blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Option<T> {
        let (value, received) = oneshot::channel();
        let read = move |engine: &Engine| {
            // The receiver may be gone.
            let _ = value.send(read(engine));
        };
        self.requests.blocking_send(Box::new(read)).ok()?;
        received.blocking_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::EngineReader;
    use crate::runtime::engine_cell::EngineCell;
    use crate::runtime::engine_handle::EngineHandle;
    use crate::runtime::self_metrics::SelfMetrics;
    use hopscope_core::engine::{Engine, Settings};
    use std::sync::Arc;

    fn edges(engine: &Engine) -> usize {
        engine.aggregate().edges()
    }

    #[tokio::test]
    async fn a_thread_reads_until_the_task_stops() {
        let cell = EngineCell::new(Engine::new(Settings::default()));
        let handle = Arc::new(EngineHandle::new(cell, None, SelfMetrics::new(None), || 7));
        let (reader, serve) = EngineReader::new(handle);
        let serving = tokio::spawn(serve);
        assert_eq!(reader.read(edges).await, 0);
        let read = tokio::task::spawn_blocking(move || (reader.read_blocking(edges), reader));
        let (value, reader) = read.await.unwrap();
        assert_eq!(value, Some(0));
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        assert_eq!(tokio::task::spawn_blocking(move || reader.read_blocking(edges)).await.unwrap(), None);
    }
}
