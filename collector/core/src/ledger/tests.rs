use super::{Admission, Ledger, Limits};
use crate::batch::{Batch, DropReason, EpochId, Fold, Record, Totals};
use crate::snapshot::bytes::collected;
use crate::snapshot::codec::{Reader, SnapshotState, Writer};
use proptest::prelude::*;

/// Parses a batch: `epoch/sequence records+folded of seen sent folded dropped buffered`.
fn parse(text: &str) -> Batch {
    let numbers: Vec<u64> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().unwrap())
        .collect();
    let [epoch, sequence, records, folded, seen, sent, folded_total, dropped, buffered] = numbers[..] else {
        panic!("{text}");
    };
    Batch {
        epoch_id: EpochId { proxy: "p".into(), epoch },
        sequence,
        totals: Totals {
            seen,
            sent,
            folded: folded_total,
            dropped: vec![(DropReason::FoldTableFull, dropped)],
            buffered,
        },
        records: vec![Record::default(); usize::try_from(records).unwrap()],
        folds: (folded > 0).then(|| Fold { count: folded, ..Fold::default() }).into_iter().collect(),
        ..Batch::example()
    }
}

/// Admits a batch of the only account.
fn admit(ledger: &mut Ledger, batch: &Batch, now_us: u64) -> Admission {
    ledger.admit(batch, || "account".into(), now_us)
}

/// Compares the entry of the proxy after all batches.
#[track_caller]
fn check(batches: &[&str], expected: &str) {
    let mut ledger = Ledger::new(Limits::default());
    for batch in batches {
        admit(&mut ledger, &parse(batch), 1);
    }
    let entry = ledger.entries().into_values().next().unwrap_or_default();
    let drops: Vec<String> = entry.drops.iter().map(|(reason, count)| format!("{reason}={count}")).collect();
    let text = format!(
        "seen {} = {} + {} + [{}] + {} + {}; {} duplicates, {} missing batches",
        entry.seen,
        entry.delivered,
        entry.folded,
        drops.join(" "),
        entry.in_flight,
        entry.unaccounted(),
        entry.duplicates,
        entry.batches_missing
    );
    assert_eq!(text, expected);
}

#[test]
fn batches_in_order_add_up() {
    check(
        &["7/1 3+0 of 5 3 0 0 2", "7/2 2+0 of 5 5 0 0 0"],
        "seen 5 = 5 + 0 + [] + 0 + 0; 0 duplicates, 0 missing batches",
    );
    check(
        &["7/1 3+4 of 10 3 4 1 2"],
        "seen 10 = 3 + 4 + [fold_table_full=1] + 2 + 0; 0 duplicates, 0 missing batches",
    );
}

#[test]
fn duplicate_is_counted_once() {
    check(
        &["7/1 3+0 of 3 3 0 0 0", "7/1 3+0 of 3 3 0 0 0"],
        "seen 3 = 3 + 0 + [] + 0 + 0; 1 duplicates, 0 missing batches",
    );
}

#[test]
fn batch_in_transit_is_unaccounted_until_received() {
    check(
        &["7/1 3+0 of 3 3 0 0 0", "7/3 2+0 of 9 9 0 0 0"],
        "seen 9 = 5 + 0 + [] + 0 + 4; 0 duplicates, 1 missing batches",
    );
    check(
        &["7/1 3+0 of 3 3 0 0 0", "7/3 2+0 of 9 9 0 0 0", "7/2 4+0 of 7 7 0 0 0"],
        "seen 9 = 9 + 0 + [] + 0 + 0; 0 duplicates, 0 missing batches",
    );
}

#[test]
fn batches_before_a_restart_count_as_dropped() {
    check(
        &["7/9 3+0 of 20 18 1 1 0"],
        "seen 20 = 3 + 0 + [fold_table_full=1 collector_restart=16] + 0 + 0; 0 duplicates, 8 missing batches",
    );
    check(
        &["7/9 3+0 of 20 20 0 0 0", "7/8 2+0 of 17 17 0 0 0"],
        "seen 20 = 5 + 0 + [collector_restart=15] + 0 + 0; 0 duplicates, 7 missing batches",
    );
    // Batch 8 was rejected after 9 got its number: the filter's totals no longer include it.
    check(
        &["7/9 3+0 of 20 20 0 0 0", "7/10 1+0 of 21 19 0 2 0"],
        "seen 21 = 4 + 0 + [fold_table_full=2 collector_restart=15] + 0 + 0; 0 duplicates, 8 missing batches",
    );
}

#[test]
fn epochs_of_a_proxy_are_summed_and_bounded() {
    let mut ledger = Ledger::new(Limits { epochs_max: 2, ..Limits::default() });
    let batch = |epoch: u64, sequence: u64| {
        let sum = 2 * sequence;
        parse(&format!("{epoch}/{sequence} 2+0 of {sum} {sum} 0 0 0"))
    };
    for epoch in [1, 2] {
        for sequence in [1, 2] {
            assert_eq!(admit(&mut ledger, &batch(epoch, sequence), 100 + epoch), Admission::New);
        }
    }
    assert_eq!(admit(&mut ledger, &batch(3, 1), 106), Admission::Full);
    let other = ledger.admit(&batch(3, 1), || "other".into(), 107);
    assert_eq!(other, Admission::New, "another account has a share of the table");
    let later_us = 108 + super::QUIET_US;
    assert_eq!(admit(&mut ledger, &batch(4, 1), later_us), Admission::New, "the second epoch is silent");
    assert_eq!((ledger.open(), ledger.evicted(), ledger.closed_epochs()), (2, 2, 2));
    let entry = &ledger.entries()["p"];
    assert_eq!((entry.epochs, entry.delivered, entry.unaccounted()), (4, 12, 0));
}

#[test]
fn an_epoch_that_was_closed_for_another_opens_again_and_counts_no_batch_twice() {
    let mut ledger = Ledger::new(Limits { epochs_max: 1, ..Limits::default() });
    let steps = [
        // Batch 2 is in transit, and two requests are buffered, when the epoch is closed.
        ("1/1 3+0 of 3 3 0 0 0", 0, Admission::New),
        ("1/3 2+0 of 12 9 0 1 2", 1, Admission::New),
        ("2/1 1+0 of 1 1 0 0 0", 100, Admission::New),
        ("1/3 2+0 of 12 9 0 1 2", 200, Admission::Duplicate),
        ("1/4 2+0 of 12 11 0 1 0", 200, Admission::New),
        ("1/4 2+0 of 12 11 0 1 0", 201, Admission::Duplicate),
        ("1/1 3+0 of 3 3 0 0 0", 202, Admission::Duplicate),
        ("1/2 4+0 of 7 7 0 0 0", 203, Admission::New),
    ];
    for (batch, second, expected) in steps {
        assert_eq!(admit(&mut ledger, &parse(batch), (1 + second) * 1_000_000), expected, "{batch}");
    }
    let entry = &ledger.entries()["p"];
    assert_eq!((entry.delivered, entry.duplicates, entry.unaccounted(), entry.epochs), (12, 3, 0, 2));
    // The four requests in transit and the two buffered ones count as lost at the close, and as
    // delivered when they arrive after all.
    assert_eq!((entry.seen, entry.missing, entry.drops[&DropReason::EpochEnded]), (19, 4, 2));
}

proptest! {
    /// Batches in any order and with repeats are counted once.
    #[test]
    fn order_and_repeats_do_not_matter(
        sizes in proptest::collection::vec(0..5_u64, 1..30),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let mut sent = 0;
        let batches: Vec<Batch> = (1..).zip(&sizes).map(|(sequence, size): (u64, _)| {
            sent += size;
            parse(&format!("7/{sequence} {size}+0 of {sent} {sent} 0 0 0"))
        }).collect();
        let mut ledger = Ledger::new(Limits::default());
        let mut counted = 0;
        for batch in order.iter().map(|index| index.get(&batches)).chain(&batches) {
            if admit(&mut ledger, batch, 1) == Admission::New {
                counted += batch.records.len() as u64;
            }
        }
        let entry = &ledger.entries()["p"];
        prop_assert_eq!((entry.seen, entry.delivered, counted), (sent, sent, sent));
        prop_assert_eq!((entry.unaccounted(), entry.batches_missing), (0, 0));
    }
}

#[test]
fn silent_epoch_is_closed_without_requests_in_flight() {
    let mut ledger = Ledger::new(Limits { silent_us_max: 100, ..Limits::default() });
    admit(&mut ledger, &parse("7/1 3+0 of 3 3 0 0 0"), 1);
    admit(&mut ledger, &parse("7/3 2+0 of 20 12 0 1 7"), 1);
    ledger.tick(60_000_000);
    let entry = ledger.entries().remove("p").unwrap();
    assert_eq!(ledger.open(), 0);
    assert_eq!((entry.missing, entry.in_flight, entry.unaccounted()), (7, 0, 0));
    assert_eq!(entry.drops[&DropReason::EpochEnded], 7);
}

#[test]
fn entries_of_closed_epochs_are_bounded_and_keep_all_counts() {
    let mut ledger = Ledger::new(Limits { silent_us_max: 1, closed_max: 20, ..Limits::default() });
    for number in 0..50_u64 {
        let mut batch = parse("7/1 3+0 of 3 3 0 0 0");
        batch.epoch_id.proxy = format!("p{number}").into();
        admit(&mut ledger, &batch, number * 60_000_000);
        ledger.tick(number * 60_000_000 + 2);
    }
    let entries = ledger.entries();
    assert!(entries.len() <= 22, "{}", entries.len());
    assert_eq!(entries.values().map(|entry| entry.delivered).sum::<u64>(), 150);
    assert!(
        entries.contains_key(super::EARLIER) && entries.contains_key("p48") && !entries.contains_key("p0")
    );
}

#[test]
fn later_attempt_is_uncertain_and_duplicate_is_not() {
    let mut ledger = Ledger::new(Limits::default());
    let batch = |text: &str, attempt: u32| Batch { attempt, ..parse(text) };
    for (text, attempt) in
        [("7/1 3+0 of 3 3 0 0 0", 2), ("7/1 3+0 of 3 3 0 0 0", 3), ("7/2 1+4 of 8 4 4 0 0", 2)]
    {
        admit(&mut ledger, &batch(text, attempt), 1);
    }
    admit(&mut ledger, &batch("7/3 1+0 of 9 5 4 0 0", 1), 1);
    let entry = ledger.entries().remove("p").unwrap();
    assert_eq!((entry.uncertain, entry.uncertain_batches, entry.unaccounted()), (8, 2, 0));
}

#[test]
fn walking_by_name_returns_all_entries_with_open_and_closed_epochs() {
    let mut ledger = Ledger::new(Limits::default());
    for (proxy, epoch) in [("b", 1), ("a", 2), ("a", u64::MAX), ("c", 3), ("d", 4)] {
        let epoch_id = EpochId { proxy: proxy.into(), epoch };
        admit(&mut ledger, &Batch { epoch_id, ..parse("1/1 1+0 of 1 1 0 0 0") }, 1);
    }
    for (proxy, epoch) in [("a", 2), ("c", 3)] {
        ledger.end(&EpochId { proxy: proxy.into(), epoch }, 2);
    }
    let walk = |ledger: &Ledger| {
        let next = |last: &(crate::text::Text, _)| ledger.next_entry(&last.0);
        std::iter::successors(ledger.next_entry(&"".into()), next).collect::<Vec<_>>()
    };
    let expected: Vec<_> = ledger.entries().into_iter().collect();
    assert_eq!((walk(&ledger), expected.len()), (expected.clone(), 4));
    let saved = collected(|sink| {
        let mut to = Writer::after(&[], sink);
        ledger.save(&mut to);
        to.end();
    });
    let mut restored = Ledger::new(Limits::default());
    restored.restore(&mut Reader::new(&saved)).unwrap();
    assert_eq!(walk(&restored), expected);
}
