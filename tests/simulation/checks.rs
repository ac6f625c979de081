//! Whether the books close.
//!
//! In: what really happened, and what the product says. Out: nothing, or a panic that says what differs. Always holds:
//! every request that a filter saw is looked for in exactly one place.

use crate::collector::Collector;
use crate::ground_truth::{Epoch, Sums, Told};
use crate::proxy::Proxy;
use hopscope::aggregate::Key;
use hopscope::report::DropReason;
use hopscope_proto::v1;
use std::collections::BTreeMap;

pub(crate) type Epochs = BTreeMap<u64, Epoch>;

/// The books of a filter that lives: each request waits, was told by itself or folded, or was dropped with a reason.
pub(crate) fn filter(proxy: &Proxy, epoch: &Epoch) {
    let ledger = &proxy.vm.buffer().ledger;
    let told = |refused: bool| -> u64 {
        let batches = epoch.told.values().filter(|told| told.refused_at.is_some() == refused);
        batches.map(Told::requests).sum()
    };
    let dropped = ledger.dropped(v1::DropReason::FoldTableFull);
    let refused = ledger.dropped(v1::DropReason::Refused) + ledger.dropped(v1::DropReason::TooLarge);
    assert_eq!(ledger.seen(), epoch.seen, "all requests are seen");
    assert_eq!(refused, told(true), "what was refused was dropped");
    assert_eq!(epoch.seen, told(false) + refused + dropped + ledger.buffered(), "each is in one place");
    let sum: u64 = epoch.told.values().map(|told| told.sum).sum();
    if dropped + ledger.buffered() == 0 {
        assert_eq!(sum, epoch.seen_sum, "each was told once");
    } else {
        assert!(sum < epoch.seen_sum, "none was told twice");
    }
}

/// What the collector must say of one proxy, but for the split of what is open.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    seen: u64,
    delivered: u64,
    folded: u64,
    /// By the filter.
    dropped: u64,
    waiting: u64,
    /// In batches up to the highest that came, which have not come themselves and were not known as refused by then.
    open: u64,
    /// Of those, in batches before the first that came.
    before: u64,
    repeats: u64,
    has_refusals: bool,
}

fn expected(collector: &Collector, epochs: &Epochs, proxy: &str) -> Expected {
    let mut sum = Expected::default();
    for (number, epoch) in epochs.iter().filter(|(_, epoch)| epoch.proxy == proxy) {
        let Some(highest) = collector.highest(*number) else { continue };
        let first = collector.taken.first[number];
        let totals = &epoch.told[&highest].totals;
        sum.seen += totals.seen_total;
        sum.dropped += totals.dropped.iter().map(|drop| drop.count_total).sum::<u64>();
        sum.waiting += totals.buffered;
        sum.repeats += collector.taken.repeats.get(number).copied().unwrap_or_default();
        for told in collector.batches(*number, epoch) {
            assert_eq!(told.refused_at, None, "none is taken and refused");
            sum.delivered += told.singles;
            sum.folded += told.folded;
        }
        for (sequence, told) in epoch.told.range(..=highest) {
            sum.has_refusals |= told.refused_at.is_some();
            let is_refused = told.refused_at.is_some_and(|at| highest > at);
            if !is_refused && !collector.taken.batches.contains(&(*number, *sequence)) {
                sum.open += told.requests();
                sum.before += if *sequence < first { told.requests() } else { 0 };
            }
        }
    }
    sum
}

/// The ledger, at any moment. Gives how many requests are in flight.
pub(crate) fn ledger(collector: &Collector, epochs: &Epochs) -> u64 {
    let entries = collector.engine.ledger().entries();
    let proxies: std::collections::BTreeSet<&str> = epochs.values().map(|epoch| &*epoch.proxy).collect();
    let mut in_flight = 0;
    for proxy in proxies {
        let expected = expected(collector, epochs, proxy);
        let entry = entries.get(proxy).cloned().unwrap_or_default();
        let restart = entry.drops.get(&DropReason::CollectorRestart).copied().unwrap_or_default();
        let told = Expected {
            seen: entry.seen,
            delivered: entry.delivered,
            folded: entry.folded,
            dropped: entry.dropped() - restart,
            waiting: entry.in_flight,
            open: restart + u64::try_from(entry.unaccounted()).unwrap(),
            before: if expected.has_refusals { expected.before } else { restart },
            repeats: entry.duplicates,
            has_refusals: expected.has_refusals,
        };
        assert_eq!(told, expected, "the books of {proxy}");
        in_flight += told.waiting + told.open - restart;
    }
    in_flight
}

/// What the join did with the requests that it was told.
pub(crate) fn join(collector: &Collector) {
    let join = &collector.engine.join();
    assert_eq!(join.stats().settled() + join.open() as u64, collector.fed, "each record has one fate");
}

/// The counters, once nothing waits for a name any more: each request that was taken is in one of them, once.
pub(crate) fn counters(collector: &Collector, epochs: &Epochs, sums: &mut Sums) {
    let taken = epochs.iter().flat_map(|(number, epoch)| collector.batches(*number, epoch));
    let (requests, sum) =
        taken.fold((0, 0), |(requests, sum), told| (requests + told.requests(), sum + told.sum));
    let series = collector.engine.aggregate().iter(collector.engine.edges());
    let counted = series.fold((0, 0), |(requests, sum), (_, series)| {
        (requests + series.measure.count(), sum + series.measure.request_bytes)
    });
    assert_eq!(counted, (requests, sum), "every request that was taken is counted once");
    for (key, series) in collector.engine.aggregate().iter(collector.engine.edges()) {
        let evidence = if let Key::Edge(edge, _) = key { edge.evidence.label() } else { "overflow" };
        match evidence {
            "joined" => sums.count("named_by_join", series.measure.count()),
            "none" => sums.count("nameless", series.measure.count()),
            _ => {}
        }
    }
}

/// All books are closed: nothing is open, and everything is under its reason.
pub(crate) fn closed(collector: &Collector, epochs: &Epochs, sums: &mut Sums) {
    assert_eq!(collector.engine.ledger().open(), 0);
    for (proxy, entry) in collector.engine.ledger().entries() {
        assert_eq!((entry.in_flight, entry.unaccounted()), (0, 0), "the books of {proxy}");
        let expected = expected(collector, epochs, &proxy);
        let drop = |reason| entry.drops.get(&reason).copied().unwrap_or_default();
        assert_eq!(drop(DropReason::EpochEnded), expected.waiting, "{proxy}");
        assert_eq!(drop(DropReason::CollectorRestart) + entry.missing, expected.open, "{proxy}");
        sums.count("delivered", entry.delivered);
        sums.count("folded", entry.folded);
        sums.count("fold_table_full", drop(DropReason::FoldTableFull));
        sums.count("too_large", drop(DropReason::TooLarge));
        sums.count("refused", drop(DropReason::Refused));
        sums.count("collector_restart", drop(DropReason::CollectorRestart));
        sums.count("epoch_ended", drop(DropReason::EpochEnded));
        sums.count("missing", entry.missing);
        sums.count("repeats", entry.duplicates);
    }
}
