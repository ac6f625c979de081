//! Good client: a batch each 20 ms, on a thread of its own.

use crate::batches::batch;
use crate::collector::Target;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(20);
const RECORDS: u32 = 16;
/// Limit on one report.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Result of the good client.
#[derive(Debug, Default)]
pub(crate) struct Service {
    /// Time from the due time of each batch to its acknowledgement, in ascending order.
    pub(crate) latencies: Vec<Duration>,
    /// Batches without an acknowledgement.
    pub(crate) refused: u64,
}

/// Running good client.
pub(crate) struct GoodClient {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Service>,
}

impl GoodClient {
    /// Connects and starts to report.
    pub(crate) fn start(target: Target) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(report(target, &stopped))
        });
        Self { stop, thread }
    }

    /// Stops, and returns the result.
    pub(crate) fn stop(self) -> Service {
        self.stop.store(true, Ordering::Relaxed);
        let mut service = self.thread.join().unwrap();
        service.latencies.sort_unstable();
        service
    }
}

async fn report(target: Target, stop: &AtomicBool) -> Service {
    let mut client = target.client().await.unwrap();
    let mut service = Service::default();
    let (mut due, mut sequence) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due.into()).await;
        sequence += 1;
        let sent = client.report(batch("good", sequence, RECORDS, 0, 1));
        match tokio::time::timeout(TIMEOUT, sent).await {
            Ok(Ok(ack)) if ack.get_ref().accepted_sequence == sequence => {
                service.latencies.push(due.elapsed());
            }
            _ => service.refused += 1,
        }
        due += INTERVAL;
    }
    service
}
