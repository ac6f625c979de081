//! Readers that poll a collector until they are ended.
//!
//! In: a server and paths. Out: counts of the answers.
//! Invariant: each reader has a connection of its own and reads one path after another, each to its
//! last page; the readers start at different paths; all run in one thread, which ends with
//! [`Readers`].

use super::lists::List;
use super::poll::{Answer, Client, get};
use anyhow::{Context, anyhow};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Pages of one pass through a list; a list of 100,000 rows has 100.
const PAGES_MAX: usize = 10_000;
/// Pause after a failed request.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Counts of the answers that all readers received.
#[derive(Debug, Default)]
pub(super) struct Reads {
    pub(super) requests: u64,
    pub(super) bytes: u64,
    /// Requests without an answer, and passes that were cut off after [`PAGES_MAX`].
    pub(super) errors: u64,
    pub(super) slowest: Duration,
    /// Answers by status.
    pub(super) statuses: BTreeMap<u16, u64>,
    /// Whole passes through a list, by path.
    pub(super) passes: BTreeMap<String, u64>,
}

impl Reads {
    fn add(&mut self, answer: &Answer, time: Duration) {
        self.requests += 1;
        self.bytes += answer.bytes;
        self.slowest = self.slowest.max(time);
        *self.statuses.entry(answer.status.as_u16()).or_default() += 1;
    }
}

/// Running readers.
pub(super) struct Readers {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    reads: Arc<Mutex<Reads>>,
}

impl Readers {
    /// Starts the readers.
    pub(super) fn start(server: SocketAddr, lists: Vec<List>, count: usize) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let reads = Arc::new(Mutex::new(Reads::default()));
        let counted = Arc::clone(&reads);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let mut readers = JoinSet::new();
                for index in 0..count {
                    readers.spawn(read(server, lists.clone(), index, Arc::clone(&counted)));
                }
                // A sender that is dropped stops them as well.
                let _ = stopped.await;
            });
        });
        Ok(Self { stop, thread, reads })
    }

    /// Ends the readers; requests in flight are not counted.
    pub(super) async fn end(self) -> anyhow::Result<Reads> {
        let Self { stop, thread, reads } = self;
        drop(stop);
        let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
        joined.map_err(|_| anyhow!("a reader failed"))?;
        let reads = Arc::into_inner(reads).context("a reader is still running")?;
        Ok(reads.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Polls all lists in turn, for ever.
async fn read(server: SocketAddr, lists: Vec<List>, first: usize, reads: Arc<Mutex<Reads>>) {
    let client = Client::default();
    let mut index = first;
    while let Some(list) = lists.get(index % lists.len().max(1)) {
        let done = pass(&client, server, list, &reads).await;
        {
            let mut reads = reads.lock().unwrap_or_else(PoisonError::into_inner);
            match done {
                true => *reads.passes.entry(list.path.clone()).or_default() += 1,
                false => reads.errors += 1,
            }
        }
        if !done {
            tokio::time::sleep(RETRY_AFTER).await;
        }
        index = index.wrapping_add(1);
    }
}

/// Reads a list from its first page to its last; false where that failed.
async fn pass(client: &Client, server: SocketAddr, list: &List, reads: &Mutex<Reads>) -> bool {
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let start = Instant::now();
        let Ok(answer) = get(client, server, &list.page(cursor.as_deref())).await else { return false };
        reads.lock().unwrap_or_else(PoisonError::into_inner).add(&answer, start.elapsed());
        cursor = if list.paged { answer.next_cursor() } else { None };
        if cursor.is_none() {
            return answer.status.is_success();
        }
    }
    false
}
