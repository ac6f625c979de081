//! EngineReader at the rooms from a thread that does not count.
//!
//! In: what to look at. Out: what was seen. Always holds: looks are taken one after the other by a task on the thread that
//! counts, between two pieces of its work. So whoever looks never holds the rooms: the system may let such a thread wait at any
//! time, for as long as others have work, and all reports would wait with it.

use crate::runtime::engine_handle::EngineHandle;
use hopscope_core::engine::Engine;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

type Look = Box<dyn FnOnce(&Engine) + Send>;

/// Where looks are asked for.
pub(crate) struct EngineReader(mpsc::Sender<Look>);

impl EngineReader {
    /// A place to ask, and the work of the thread that counts; it ends with the former.
    pub(crate) fn new(state: Arc<EngineHandle>) -> (Self, impl Future<Output = ()>) {
        let (asked, mut looks) = mpsc::channel::<Look>(1);
        let take = async move {
            while let Some(look) = looks.recv().await {
                look(&state.engine());
            }
        };
        (Self(asked), take)
    }

    /// Waits for a look; `None` when nobody takes it any more. What is seen has to be copied: some hundred rows at a time.
    /// Not to be called by a task.
    pub(crate) fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, seen) = oneshot::channel();
        let look = move |engine: &Engine| {
            // Whoever asked may be gone.
            let _ = tell.send(look(engine));
        };
        self.0.blocking_send(Box::new(look)).ok()?;
        seen.blocking_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::EngineReader;
    use crate::runtime::engine_handle::EngineHandle;
    use hopscope_core::engine::{Engine, Settings};
    use std::sync::Arc;

    #[tokio::test]
    async fn what_is_asked_for_is_seen_until_nobody_takes_looks() {
        let state = Arc::new(EngineHandle::new(Engine::new(Settings::default()), None, || 7));
        let (looks, take) = EngineReader::new(state.clone());
        let taking = tokio::spawn(take);
        let edges = |engine: &Engine| engine.aggregate().edges();
        let ask = tokio::task::spawn_blocking(move || (looks.look(edges), looks));
        let (seen, looks) = ask.await.unwrap();
        assert_eq!(seen, Some(0));
        taking.abort();
        assert!(taking.await.unwrap_err().is_cancelled());
        let seen = tokio::task::spawn_blocking(move || looks.look(edges)).await.unwrap();
        assert_eq!(seen, None);
        // The rooms are free, and nobody else has them.
        assert_eq!((state.engine().aggregate().edges(), Arc::strong_count(&state)), (0, 1));
    }
}
