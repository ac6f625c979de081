//! Turns: fairness between connections before the engine.
//!
//! In: the work of each connection, in units of about one record. Out: permission to do it.
//! Invariant: a connection with little work begins at once. Work beyond the credit of its
//! connection waits until the work in progress is below [`WORK_MAX`], and until every connection
//! that has had less than its share went first; other tasks run before it begins. So the wait of a
//! light connection is bounded, whatever the others send and however many they are.
//!
//! Source: self-clocked fair queueing (Golestani, 1994). The tag of a connection is the virtual time
//! at which its work so far ends; the work that ends first goes first, and virtual time advances to
//! its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Bytes of a message per unit of work, about one record.
const UNIT_BYTES: u64 = 16;
/// Work that a connection may be ahead of its share.
const CREDIT: u64 = 8_192;
/// Work in progress up to which waiting connections begin: some milliseconds of one core.
const WORK_MAX: u64 = 65_536;

/// Work of a message of this size, in units.
pub(super) fn work_of(message_bytes: usize) -> u64 {
    (message_bytes as u64 / UNIT_BYTES).saturating_add(1)
}

/// Most work that one batch of an access log counts for before it is read.
const LOG_WORK_MAX: u64 = 32_768;
/// Bytes of access-log entries per unit of work: an entry of 300 bytes is the work of many records.
const LOG_UNIT_BYTES: u64 = 8;
/// Work of one entry of an access log, in units.
pub(super) const LOG_ENTRY_WORK: u64 = 4;

/// Work of the next batch of an access-log message of this size, in units.
pub(super) fn log_work_of(message_bytes: usize) -> u64 {
    (message_bytes as u64 / LOG_UNIT_BYTES).clamp(1, LOG_WORK_MAX)
}

/// Virtual time at which the work of one connection ends.
#[derive(Debug, Default)]
pub(super) struct Tag(AtomicU64);

impl Tag {
    /// Adds work that was not known before it was done.
    pub(super) fn charge(&self, work: u64) {
        self.0.fetch_add(work, Ordering::Relaxed);
    }
}

/// Turns of all connections.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    virtual_time: u64,
    in_progress: u64,
    /// Waiting work by the virtual time of its end, in the order of arrival for equal times.
    waiting: BTreeMap<(u64, u64), Waiting>,
    arrivals: u64,
}

#[derive(Debug)]
struct Waiting {
    work: u64,
    begin: oneshot::Sender<Turn>,
}

/// Permission to do some work; ends when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    work: u64,
}

impl Turns {
    /// Waits for the turn of a connection. There are at most as many waiting turns as reports and
    /// streams in flight.
    pub(super) async fn wait(self: &Arc<Self>, tag: &Tag, work: u64) -> Option<Turn> {
        let begun = match self.request(tag, work) {
            Ok(turn) => return Some(turn),
            Err((_unused, begun)) => begun,
        };
        let turn = begun.await.ok();
        // Light connections, whose messages have arrived meanwhile, go first.
        tokio::task::yield_now().await;
        turn
    }

    /// Returns a turn that begins at once, or the receiver of a later one.
    fn request(
        self: &Arc<Self>,
        tag: &Tag,
        work: u64,
    ) -> Result<Turn, (Option<Turn>, oneshot::Receiver<Turn>)> {
        let mut state = self.lock();
        let start = tag.0.load(Ordering::Relaxed).max(state.virtual_time);
        let end = start.saturating_add(work);
        tag.0.store(end, Ordering::Relaxed);
        if end <= state.virtual_time.saturating_add(CREDIT) {
            state.in_progress = state.in_progress.saturating_add(work);
            return Ok(Turn { turns: self.clone(), work });
        }
        let (begin, begun) = oneshot::channel();
        state.arrivals = state.arrivals.wrapping_add(1);
        let number = state.arrivals;
        state.waiting.insert((end, number), Waiting { work, begin });
        let unused = self.begin_next(&mut state);
        Err((unused, begun))
    }

    /// Begins waiting work up to [`WORK_MAX`]. Returns the turn of a client that has gone, which
    /// the caller drops without the lock.
    fn begin_next(self: &Arc<Self>, state: &mut State) -> Option<Turn> {
        while state.in_progress < WORK_MAX {
            let ((end, _), Waiting { work, begin }) = state.waiting.pop_first()?;
            if begin.is_closed() {
                continue;
            }
            state.virtual_time = state.virtual_time.max(end);
            state.in_progress = state.in_progress.saturating_add(work);
            if let Err(unused) = begin.send(Turn { turns: self.clone(), work }) {
                return Some(unused);
            }
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let unused = {
            let mut state = self.turns.lock();
            state.in_progress = state.in_progress.saturating_sub(self.work);
            self.turns.begin_next(&mut state)
        };
        drop(unused);
    }
}

#[cfg(test)]
mod tests {
    use super::{CREDIT, Tag, Turn, Turns, WORK_MAX};
    use std::sync::Arc;
    use tokio::sync::oneshot::Receiver;

    /// Requests a turn; `None` when it waits.
    fn request(turns: &Arc<Turns>, tag: &Tag, work: u64) -> Result<Turn, Receiver<Turn>> {
        turns.request(tag, work).map_err(|(_, begun)| begun)
    }

    #[test]
    fn a_light_connection_begins_at_once_beside_heavy_ones() {
        let turns = Arc::new(Turns::default());
        let heavy: Vec<Tag> = (0..100).map(|_| Tag::default()).collect();
        let mut waiting: Vec<_> =
            heavy.iter().map(|tag| request(&turns, tag, WORK_MAX).unwrap_err()).collect();
        let light = Tag::default();
        for _ in 0..CREDIT / 100 {
            assert!(request(&turns, &light, 100).is_ok());
        }
        // Waiting work begins one by one as the work in progress ends.
        for index in 0..waiting.len() {
            let ready = waiting.iter_mut().filter_map(|begun| begun.try_recv().ok());
            let ready: Vec<Turn> = ready.collect();
            assert_eq!(ready.len(), 1, "{index}");
        }
        assert_eq!(turns.lock().in_progress, 0);
    }

    #[test]
    fn a_light_connection_beyond_its_credit_waits_for_one_heavy_one_only() {
        let turns = Arc::new(Turns::default());
        let (heavy, light) = ([(); 16].map(|()| Tag::default()), Tag::default());
        let mut waiting: Vec<_> =
            heavy.iter().map(|tag| request(&turns, tag, WORK_MAX).unwrap_err()).collect();
        let first = waiting[0].try_recv().unwrap();
        for _ in 0..CREDIT / 32 {
            assert!(request(&turns, &light, 32).is_ok());
        }
        drop(first);
        let second = waiting.iter_mut().find_map(|begun| begun.try_recv().ok()).unwrap();
        for _ in 0..CREDIT / 32 {
            assert!(request(&turns, &light, 32).is_ok());
        }
        drop(second);
    }

    #[test]
    fn a_connection_alone_is_never_delayed_by_its_own_past() {
        let (turns, tag) = (Arc::new(Turns::default()), Tag::default());
        for _ in 0..1_000 {
            let turn = request(&turns, &tag, 10_000).or_else(|mut begun| begun.try_recv());
            drop(turn.unwrap());
        }
    }

    #[test]
    fn the_turn_of_a_client_that_has_gone_passes_on() {
        let (turns, tag) = (Arc::new(Turns::default()), Tag::default());
        let first = request(&turns, &tag, WORK_MAX).unwrap_err().try_recv().unwrap();
        let gone = request(&turns, &tag, WORK_MAX).unwrap_err();
        let mut last = request(&turns, &tag, 1).unwrap_err();
        drop(gone);
        assert!(last.try_recv().is_err());
        drop(first);
        assert!(last.try_recv().is_ok());
        assert!(turns.lock().waiting.is_empty() && turns.lock().in_progress == 0);
    }
}
