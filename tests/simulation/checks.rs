//! Checks of filter, ledger, join and counters against the ground truth.
//!
//! Invariant: each check fails with a panic that names the difference; every request that a filter
//! saw is expected in exactly one count.

use crate::collector::Collector;
use crate::ground_truth::{Epoch, SentBatch, Sums};
use crate::proxy::Proxy;
use hopscope_core::aggregate::Key;
use hopscope_core::batch::DropReason;
use hopscope_proto::v1;
use std::collections::BTreeMap;

pub(crate) type Epochs = BTreeMap<u64, Epoch>;

/// Checks the ledger of a running filter: each request is buffered, sent in a record or a fold, or
/// dropped with a reason.
pub(crate) fn filter(proxy: &Proxy, epoch: &Epoch) {
    let ledger = &proxy.vm.buffer().ledger;
    let sent = |refused: bool| -> u64 {
        let batches = epoch.sent.values().filter(|batch| batch.refused_at.is_some() == refused);
        batches.map(SentBatch::requests).sum()
    };
    let dropped = ledger.dropped(v1::DropReason::FoldTableFull);
    let refused = ledger.dropped(v1::DropReason::Rejected) + ledger.dropped(v1::DropReason::TooLarge);
    assert_eq!(ledger.seen(), epoch.seen, "a request was not seen");
    assert_eq!(refused, sent(true), "rejected requests are not the dropped ones");
    assert_eq!(epoch.seen, sent(false) + refused + dropped + ledger.buffered(), "a request is missing");
    let sum: u64 = epoch.sent.values().map(|batch| batch.sum).sum();
    if dropped + ledger.buffered() == 0 {
        assert_eq!(sum, epoch.seen_sum, "a request was not sent exactly once");
    } else {
        assert!(sum < epoch.seen_sum, "a request was sent twice");
    }
}

/// Ledger entry that the collector must have for one proxy, except for the split of missing
/// requests.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    seen: u64,
    delivered: u64,
    folded: u64,
    /// Dropped by the filter.
    dropped: u64,
    buffered: u64,
    /// Requests in missing batches below the highest accepted one, without batches that were known
    /// as rejected by then.
    missing: u64,
    /// Missing requests in batches before the first accepted one.
    before: u64,
    repeats: u64,
    has_refusals: bool,
}

fn expected(collector: &Collector, epochs: &Epochs, proxy: &str) -> Expected {
    let mut sum = Expected::default();
    for (number, epoch) in epochs.iter().filter(|(_, epoch)| epoch.proxy == proxy) {
        let Some(highest) = collector.highest(*number) else { continue };
        let first = collector.accepted.first[number];
        let totals = &epoch.sent[&highest].totals;
        sum.seen += totals.seen_total;
        sum.dropped += totals.dropped.iter().map(|drop| drop.count_total).sum::<u64>();
        sum.buffered += totals.buffered;
        sum.repeats += collector.accepted.repeats.get(number).copied().unwrap_or_default();
        for batch in collector.batches(*number, epoch) {
            assert_eq!(batch.refused_at, None, "a batch is both accepted and rejected");
            sum.delivered += batch.records;
            sum.folded += batch.folded;
        }
        for (sequence, batch) in epoch.sent.range(..=highest) {
            sum.has_refusals |= batch.refused_at.is_some();
            let is_refused = batch.refused_at.is_some_and(|at| highest > at);
            if !is_refused && !collector.accepted.batches.contains(&(*number, *sequence)) {
                sum.missing += batch.requests();
                sum.before += if *sequence < first { batch.requests() } else { 0 };
            }
        }
    }
    sum
}

/// Checks the collector's ledger at any moment; returns the number of requests in flight.
pub(crate) fn ledger(collector: &Collector, epochs: &Epochs) -> u64 {
    let entries = collector.engine.ledger().entries();
    let proxies: std::collections::BTreeSet<&str> = epochs.values().map(|epoch| &*epoch.proxy).collect();
    let mut in_flight = 0;
    for proxy in proxies {
        let expected = expected(collector, epochs, proxy);
        let entry = entries.get(proxy).cloned().unwrap_or_default();
        let restart = entry.drops.get(&DropReason::CollectorRestart).copied().unwrap_or_default();
        let actual = Expected {
            seen: entry.seen,
            delivered: entry.delivered,
            folded: entry.folded,
            dropped: entry.dropped() - restart,
            buffered: entry.in_flight,
            missing: restart + u64::try_from(entry.unaccounted()).unwrap(),
            before: if expected.has_refusals { expected.before } else { restart },
            repeats: entry.duplicates,
            has_refusals: expected.has_refusals,
        };
        assert_eq!(actual, expected, "the ledger of {proxy}");
        in_flight += actual.buffered + actual.missing - restart;
    }
    in_flight
}

/// Checks that the join accounts for each of its records once.
pub(crate) fn join(collector: &Collector) {
    let join = &collector.engine.join();
    assert_eq!(
        join.stats().resolved() + join.pending() as u64,
        collector.applied,
        "a record is not accounted for"
    );
}

/// Checks the counters once no request is pending resolution: each accepted request is counted
/// once.
pub(crate) fn counters(collector: &Collector, epochs: &Epochs, sums: &mut Sums) {
    let accepted = epochs.iter().flat_map(|(number, epoch)| collector.batches(*number, epoch));
    let (requests, sum) =
        accepted.fold((0, 0), |(requests, sum), batch| (requests + batch.requests(), sum + batch.sum));
    let series = collector.engine.aggregate().iter(collector.engine.edges());
    let counted = series.fold((0, 0), |(requests, sum), (_, series)| {
        (requests + series.stats.count(), sum + series.stats.request_bytes)
    });
    assert_eq!(counted, (requests, sum), "an accepted request is not counted exactly once");
    for (key, series) in collector.engine.aggregate().iter(collector.engine.edges()) {
        let evidence = if let Key::Edge(edge, _) = key { edge.evidence.label() } else { "overflow" };
        match evidence {
            "joined" => sums.count("named_by_join", series.stats.count()),
            "none" => sums.count("unnamed", series.stats.count()),
            _ => {}
        }
    }
}

/// Checks the ledger after all epochs have expired: no request is in flight, each lost one has a
/// reason.
pub(crate) fn closed(collector: &Collector, epochs: &Epochs, sums: &mut Sums) {
    assert_eq!(collector.engine.ledger().open(), 0);
    for (proxy, entry) in collector.engine.ledger().entries() {
        assert_eq!((entry.in_flight, entry.unaccounted()), (0, 0), "the ledger of {proxy}");
        let expected = expected(collector, epochs, &proxy);
        let drop = |reason| entry.drops.get(&reason).copied().unwrap_or_default();
        assert_eq!(drop(DropReason::EpochEnded), expected.buffered, "{proxy}");
        assert_eq!(drop(DropReason::CollectorRestart) + entry.missing, expected.missing, "{proxy}");
        sums.count("delivered", entry.delivered);
        sums.count("folded", entry.folded);
        sums.count("fold_table_full", drop(DropReason::FoldTableFull));
        sums.count("too_large", drop(DropReason::TooLarge));
        sums.count("moved", entry.moved);
        sums.count("collector_restart", drop(DropReason::CollectorRestart));
        sums.count("epoch_ended", drop(DropReason::EpochEnded));
        sums.count("missing", entry.missing);
        sums.count("repeats", entry.duplicates);
    }
}
