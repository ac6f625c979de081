//! Families of hops and of the join.
//!
//! In: the join. Out: one sample per edge and verdict, the gap of each edge, and the families of the join itself.

use super::super::prometheus::{Buckets, Exposition, Kind, Names, Spelled, seconds};
use crate::runtime::reader::EngineReader;
use hopscope_core::join::{EdgeHops, HopEdge, Join, Verdict};

const OVERFLOW: &str = "overflow";
const NAMES: [&str; 7] = [
    "source_workload",
    "source_workload_namespace",
    "source_version",
    "destination_workload",
    "destination_workload_namespace",
    "destination_version",
    "destination_service",
];

/// Values of [`NAMES`].
fn labels(edge: Option<&HopEdge>) -> [&str; NAMES.len()] {
    let Some(HopEdge { source, destination, service }) = edge else { return [OVERFLOW; NAMES.len()] };
    [
        &source.workload,
        &source.namespace,
        &source.version,
        &destination.workload,
        &destination.namespace,
        &destination.version,
        service,
    ]
}

/// The verdicts that there are.
fn verdicts(book: &EdgeHops) -> impl Iterator<Item = (Verdict, u64)> + '_ {
    let counts = Verdict::ALL.into_iter().map(|verdict| (verdict, book.count(verdict)));
    counts.filter(|(_, count)| *count > 0)
}

/// Edges that are copied in one look.
const CHUNK: usize = 128;

/// Calls `tell` for what `pick` takes of the hops of each edge.
fn each<T>(
    text: &mut Exposition<'_>,
    looks: &EngineReader,
    pick: impl Fn(&EdgeHops) -> Option<T> + Copy + Send + 'static,
    mut tell: impl FnMut(&mut Exposition<'_>, &Spelled, T),
) where
    T: Send + 'static,
{
    let mut next = Some(0);
    while let Some(from) = next.filter(|_| text.is_wanted()) {
        let some = looks.look(move |engine| some(&engine.join(), from, pick));
        let Some((rows, rest)) = some else { return text.give_up() };
        next = rest;
        for (edge, picked) in rows {
            let values = labels(edge.as_ref());
            let mut pairs = [("", ""); NAMES.len()];
            for (pair, named) in pairs.iter_mut().zip(NAMES.into_iter().zip(values)) {
                *pair = named;
            }
            let labels = text.spell(&pairs);
            tell(text, &labels, picked);
        }
    }
}

/// What `pick` takes of edges, and where to go on; none for the edges that found no room, which come last.
type Part<T> = (Vec<(Option<HopEdge>, T)>, Option<usize>);

fn some<T>(join: &Join, from: usize, pick: impl Fn(&EdgeHops) -> Option<T>) -> Part<T> {
    let to = from + CHUNK;
    let edges = join.some(from..to).filter_map(|(edge, book)| Some((Some(edge), pick(book)?)));
    let mut rows: Vec<_> = edges.collect();
    let rest = (to < join.numbers()).then_some(to);
    if rest.is_none() {
        rows.extend(pick(join.overflow()).map(|picked| (None, picked)));
    }
    (rows, rest)
}

/// The hops in `/metrics`, edge by edge.
pub(super) fn metrics(text: &mut Exposition<'_>, looks: &EngineReader) {
    const HOPS: &str = "hopscope_hops_total";
    text.family(HOPS, Kind::Counter, "Hops, by what both sides say together.");
    let some = |book: &EdgeHops| (book.hops() > 0).then(|| verdicts(book).collect::<Vec<_>>());
    each(text, looks, some, |text, labels, verdicts| {
        for (verdict, count) in verdicts {
            text.labelled(HOPS, labels, ("verdict", verdict.label()), count);
        }
    });
    const GAP: &str = "hopscope_hop_gap_seconds";
    text.family(
        GAP,
        Kind::Histogram,
        "How much longer the caller's side took than the called side: network, TLS, queues.",
    );
    let names = Names::durations(GAP);
    let unit = text.native_unit(&names);
    let some =
        move |book: &EdgeHops| (book.gap().count() > 0).then(|| Buckets::of(book.gap().histogram(), unit));
    each(text, looks, some, |text, labels, buckets| text.histogram(&names, labels, &buckets, None));
}

/// What became of all records.
pub(super) fn rooms(text: &mut Exposition<'_>, join: &Join) {
    let stats = join.stats();
    text.family("hopscope_join_records_total", Kind::Counter, "Records that could be joined, by their fate.");
    let fates = [("joined", stats.joined), ("alone", stats.alone), ("ambiguous", stats.ambiguous)];
    for (fate, count) in fates {
        text.sample("hopscope_join_records_total", &[("fate", fate)], count);
    }
    text.family("hopscope_join_evicted_total", Kind::Counter, "Records that were let go before their time.");
    for (reason, count) in stats.evicted() {
        text.sample("hopscope_join_evicted_total", &[("reason", reason.label())], count);
    }
    text.family("hopscope_join_unjoinable_total", Kind::Counter, "Records that cannot be joined, by reason.");
    for (reason, count) in stats.unjoinable() {
        text.sample("hopscope_join_unjoinable_total", &[("reason", reason.label())], count);
    }
    counts(text, join);
}

fn counts(text: &mut Exposition<'_>, join: &Join) {
    let stats = join.stats();
    let counters = [
        (
            "hopscope_join_low_confidence_total",
            "Hops whose pairing is not sure, so that they have no gap.",
            stats.unsure,
        ),
        ("hopscope_join_expired_hops_total", "Hops of edges that were forgotten.", stats.expired_hops),
    ];
    for (name, help, value) in counters {
        text.single(name, Kind::Counter, help, value);
    }
    let (pairs, skew_us) = join.clock_skew();
    let open = "Records that wait for their other side.";
    text.single("hopscope_join_pending_records", Kind::Gauge, open, join.open());
    text.single("hopscope_join_pending_bytes", Kind::Gauge, "Memory kept for them.", join.open_bytes());
    text.single(
        "hopscope_join_clock_pairs",
        Kind::Gauge,
        "Pairs of proxies whose clocks are compared.",
        pairs,
    );
    let help = "The largest known difference between the clocks of two proxies.";
    text.single("hopscope_join_clock_skew_max_seconds", Kind::Gauge, help, seconds(skew_us));
}
