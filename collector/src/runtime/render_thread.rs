//! Render threads: threads that render answers, at a lower priority than ingestion.
//!
//! In: a function that renders. Out: its value. Invariant: while batches have work for the
//! processor, they come first; an answer takes longer instead.

use std::io;
use std::thread::Builder;
use tokio::sync::oneshot;

/// Nice value of render threads, on Linux's scale from -20 to 19. At 10, a thread has about a
/// tenth of the processor time of one at 0.
const NICE: i32 = 10;

/// Runs a function on a render thread of its own. The caller limits how many run at a time.
///
/// # Errors
///
/// When the system starts no further thread.
pub(crate) fn spawn<T: Send + 'static>(
    render: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (value, received) = oneshot::channel();
    Builder::new().name("render".to_owned()).spawn(move || {
        // On Linux, a process id of 0 is the calling thread. A thread that keeps its priority
        // renders all the same.
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!("failed to lower the priority of a render thread: {error}");
        }
        // The client may be gone.
        let _ = value.send(render());
    })?;
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::{NICE, spawn};

    #[tokio::test]
    async fn a_render_thread_yields_to_other_threads() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        assert_eq!(spawn(nice).unwrap().await, Ok(NICE.max(before)));
        assert_eq!(nice(), before);
    }
}
