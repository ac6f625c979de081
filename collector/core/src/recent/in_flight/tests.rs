use super::{InFlightRequests, LONG_ROWS_MAX, SILENT_US_MAX};
use crate::batch::{Batch, Edge, EpochId, Identity, InFlight, InFlightLong, Reporter, Service, Totals};
use crate::identity::AddressBook;
use std::sync::Arc;

const SECOND_US: u64 = 1_000_000;

/// Returns a batch with `count` long-running requests to `pay` in flight.
fn batch(epoch: u64, sequence: u64, count: u64) -> Batch {
    let open = InFlight {
        reporter: Reporter::Source,
        count,
        oldest_age_us: 6 * SECOND_US,
        long_count: count,
        long: vec![InFlightLong {
            edge: 0,
            count,
            oldest_age_us: 6 * SECOND_US,
            request_bytes: 3,
            response_bytes: 5,
        }],
    };
    let service = Service { host: "pay".into(), ..Service::default() };
    Batch {
        epoch_id: EpochId { proxy: "p".into(), epoch },
        sequence,
        identity: None,
        totals: Totals::default(),
        edges: vec![Arc::new(Edge { service, ..Edge::default() })].into(),
        attempt: 1,
        details: crate::batch::Details::default(),
        outcomes: Vec::new(),
        records: Vec::new(),
        folds: Vec::new(),
        connections: crate::batch::Connections::default(),
        streams: Vec::new(),
        messages: Vec::new(),
        in_flight: (count > 0).then_some(open).into_iter().collect(),
        ..Batch::example()
    }
}

/// Asserts the requests in flight at a second, after batches of `(second, epoch, sequence, in
/// flight)`.
#[track_caller]
fn check(batches: &[(u64, u64, u64, u64)], at_s: u64, expected: &str) {
    let (mut in_flight, mut address_address_book) =
        (InFlightRequests::default(), AddressBook::new(crate::identity::Settings::default()));
    for &(at_s, epoch, sequence, count) in batches {
        let batch = batch(epoch, sequence, count);
        in_flight.apply(
            &batch,
            |index| Some(address_address_book.resolve(&Identity::default(), &*batch.edges.get(index)?)),
            at_s * SECOND_US,
        );
    }
    let now_us = at_s * SECOND_US;
    in_flight.expire(now_us);
    let sides = in_flight.proxies(now_us).into_iter().map(|((proxy, reporter), open)| {
        format!("{proxy} {} {}/{}s", reporter.label(), open.count, open.oldest_age_us / SECOND_US)
    });
    let long = in_flight.long(now_us).into_iter().map(|((_, edge), open)| {
        let moved = open.request_bytes + open.response_bytes;
        format!("{} {}/{}s {moved}B", edge.service.host, open.count, open.oldest_age_us / SECOND_US)
    });
    assert_eq!(sides.chain(long).collect::<Vec<_>>().join(", "), expected);
}

#[test]
fn the_latest_batch_per_epoch_counts_and_ages_advance() {
    check(&[(1, 7, 1, 2), (3, 8, 1, 1)], 4, "p source 3/9s, pay 3/9s 16B");
    check(&[(1, 7, 2, 2), (3, 7, 1, 5)], 4, "p source 2/9s, pay 2/9s 8B");
    check(&[(1, 7, 1, 2), (3, 7, 2, 0)], 4, "");
}

#[test]
fn silent_epochs_expire() {
    let silent_s = SILENT_US_MAX / SECOND_US;
    check(&[(1, 7, 1, 2)], 1 + silent_s, "p source 2/51s, pay 2/51s 8B");
    check(&[(1, 7, 1, 2)], 2 + silent_s, "");
}

#[test]
fn a_walk_over_the_proxies_returns_the_same_sums() {
    let (mut open, mut address_book) =
        (InFlightRequests::default(), AddressBook::new(crate::identity::Settings::default()));
    for (proxy, epoch, count) in [("b", 1, 4), ("a", 2, 1), ("a", u64::MAX, 2), ("c", 3, 5)] {
        let epoch_id = EpochId { proxy: proxy.into(), epoch };
        let batch = Batch { epoch_id, ..batch(epoch, 1, count) };
        let edge = |index| Some(address_book.resolve(&Identity::default(), &*batch.edges.get(index)?));
        open.apply(&batch, edge, SECOND_US);
    }
    let now_us = 2 * SECOND_US;
    let names = std::iter::successors(open.next_proxy(&"".into()), |last| open.next_proxy(last));
    let names: Vec<_> = names.cloned().collect();
    assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "b", "c"]);
    let sides = names.iter().flat_map(|proxy| {
        open.of(proxy, now_us).into_iter().map(move |(reporter, open)| ((proxy.clone(), reporter), open))
    });
    assert_eq!(sides.collect::<std::collections::BTreeMap<_, _>>(), open.proxies(now_us));
    let long = names.iter().flat_map(|proxy| {
        open.long_of(proxy, now_us).into_iter().map(move |(edge, open)| ((proxy.clone(), edge), open))
    });
    assert_eq!(long.collect::<std::collections::HashMap<_, _>>(), open.long(now_us));
}

#[test]
fn rows_are_bounded_and_every_proxy_keeps_its_counts() {
    let (mut open, mut address_book) =
        (InFlightRequests::default(), AddressBook::new(crate::identity::Settings::default()));
    let mut apply = |epoch: u64, rows: usize, open: &mut InFlightRequests| {
        let mut batch = batch(epoch, 1, rows as u64);
        let row = InFlightLong { edge: 0, count: 1, oldest_age_us: 1, request_bytes: 0, response_bytes: 0 };
        batch.in_flight.iter_mut().for_each(|open| open.long = vec![row.clone(); rows]);
        let edge = |index| Some(address_book.resolve(&Identity::default(), &*batch.edges.get(index)?));
        open.apply(&batch, edge, SECOND_US);
    };
    for epoch in 1..=2_000 {
        apply(epoch, 64, &mut open);
    }
    assert!(open.long_rows <= LONG_ROWS_MAX, "{} rows", open.long_rows);
    assert_eq!(open.long_rows as u64 + open.long_rows_dropped, 2_000 * 64, "each row is kept or counted");
    let (before, dropped) = (open.long_rows, open.long_rows_dropped);
    apply(3_000, 1, &mut open);
    let free = LONG_ROWS_MAX - before;
    assert_eq!(open.long_rows_dropped - dropped, u64::from(free < 8), "{free} rows are free");
    assert_eq!(open.proxies(SECOND_US).into_values().map(|open| open.count).sum::<u64>(), 2_000 * 64 + 1);
    apply(3_000, 0, &mut open);
    assert_eq!(open.long_rows, before, "a report replaces the rows of its epoch");
    open.expire(2 * SECOND_US + SILENT_US_MAX);
    assert_eq!((open.long_rows, open.is_empty()), (0, true));
}
