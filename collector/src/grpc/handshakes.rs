//! Handshakes: a thread for the handshakes of TLS.
//!
//! In: handshakes. Out: their results. Invariant: the signatures of a handshake, some milliseconds
//! each, do not delay reports; a handshake ends when its caller no longer waits.

use std::io;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

/// Runtime of one thread for handshakes; ends with the value.
#[derive(Debug)]
pub(super) struct Handshakes {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Handshakes {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("tls").enable_all().build()?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle })
    }

    /// Runs a handshake on the thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        handshake: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let task = self.handle.spawn(handshake);
        let _abort = AbortOnDrop(task.abort_handle());
        task.await.map_err(io::Error::other).flatten()
    }
}

impl Drop for Handshakes {
    fn drop(&mut self) {
        // A runtime must not wait for its tasks within another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
