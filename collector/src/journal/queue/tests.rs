use super::{ENDS_MAX, GROUP_BYTES_MAX, Item, Queue, QueuedBatch, Work};
use crate::runtime::change_log::Change;
use crate::runtime::self_metrics::journal::JournalStats;
use hopscope_core::batch::{Batch, EpochId};
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::intake::validate::Limits;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn queue() -> Queue {
    Queue::new(Arc::new(JournalStats::new(1 << 20)))
}

fn push(queue: &Queue, bytes: usize) {
    let message = prost::bytes::Bytes::from(vec![0; bytes]);
    let raw = RawBatch::from_batch(message, Batch::example(), &Limits::default(), 1);
    let (reply, _) = tokio::sync::oneshot::channel();
    queue.push_batch(Box::new(QueuedBatch { raw, reply })).unwrap();
}

/// Number of batches in the next group; `None` when there is no group.
fn next(queue: &Queue, wait: Duration) -> Option<usize> {
    let Work::Group(group) = queue.next(Instant::now() + wait)? else { return None };
    Some(group.iter().filter(|item| matches!(item, Item::Batch(_))).count())
}

#[test]
fn a_group_ends_after_the_interval_or_at_its_size_or_at_the_close() {
    let queue = queue();
    push(&queue, 5);
    assert_eq!(next(&queue, Duration::ZERO), Some(1));
    let (began, wait) = (Instant::now(), Duration::from_millis(20));
    push(&queue, 5);
    assert_eq!(next(&queue, wait), Some(1));
    assert!(began.elapsed() >= wait);

    let hour = Duration::from_secs(3_600);
    push(&queue, GROUP_BYTES_MAX);
    push(&queue, 5);
    assert_eq!(next(&queue, hour), Some(1), "a full group");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| next(&queue, hour));
        push(&queue, GROUP_BYTES_MAX);
        assert_eq!(waiting.join().unwrap(), Some(2));
    });
    push(&queue, 5);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| next(&queue, hour));
        push(&queue, 5);
        queue.close();
        assert_eq!(waiting.join().unwrap(), Some(2));
    });
    assert_eq!(next(&queue, hour), None);
}

#[test]
fn ticks_and_ends_of_epochs_are_bounded() {
    let queue = queue();
    let end = Change::EndEpoch { epoch_id: EpochId { proxy: "p".into(), epoch: 7 }, now_us: 1 };
    for now_us in 1..=3 {
        queue.push_change(Change::Tick(now_us));
    }
    for _ in 0..=ENDS_MAX {
        queue.push_change(end.clone());
    }
    let Some(Work::Group(group)) = queue.next(Instant::now()) else { panic!("no group") };
    assert_eq!(group.len(), 1 + ENDS_MAX);
    assert!(matches!(group[0], Item::Change(Change::Tick(1))));
}
