//! What really happened, known from outside of the product.
//!
//! In: every request that ended, and every batch as it left. Out: where each request is. Always holds: what a batch holds
//! never changes; no request is told one by one in two batches.

use hopscope_proto::v1;
use prost::Message;
use std::collections::{BTreeMap, HashMap};

/// A batch as it left its filter.
#[derive(Debug)]
pub(crate) struct Told {
    batch: v1::Batch,
    /// Requests that it tells one by one.
    pub(crate) singles: u64,
    pub(crate) folded: u64,
    /// Sum over the numbers of all its requests.
    pub(crate) sum: u64,
    /// Its books: of the batch itself and of all before it.
    pub(crate) totals: v1::Ledger,
    /// The highest batch that there was when its filter learnt that it is refused.
    pub(crate) refused_at: Option<u64>,
}

impl Told {
    pub(crate) fn requests(&self) -> u64 {
        self.singles + self.folded
    }
}

/// One life of one filter.
#[derive(Debug, Default)]
pub(crate) struct Epoch {
    pub(crate) proxy: String,
    pub(crate) has_ended: bool,
    pub(crate) seen: u64,
    /// Sum over the numbers of all requests that were seen.
    pub(crate) seen_sum: u64,
    pub(crate) told: BTreeMap<u64, Told>,
    /// In which batch each request is that was told by itself.
    places: HashMap<u64, u64>,
}

impl Epoch {
    pub(crate) fn of(proxy: &str) -> Self {
        Self { proxy: proxy.to_owned(), ..Self::default() }
    }

    /// A request ended.
    pub(crate) fn see(&mut self, number: u64) {
        self.seen += 1;
        self.seen_sum += number;
    }

    /// A batch leaves, for the first time or again.
    pub(crate) fn tell(&mut self, sequence: u64, message: &[u8]) {
        let batch = v1::Batch { identity: None, attempt: 0, ..v1::Batch::decode(message).unwrap() };
        assert_eq!(batch.sequence, sequence);
        if let Some(known) = self.told.get(&sequence) {
            assert_eq!(known.batch, batch, "a repeat is what it was");
            return;
        }
        let highest = self.told.last_key_value().map_or(0, |(highest, _)| *highest);
        assert_eq!(sequence, highest + 1, "numbers have no gaps");
        let numbers = batch.records.as_ref().map(|records| records.request_bytes.clone()).unwrap_or_default();
        for number in &numbers {
            assert_eq!(self.places.insert(*number, sequence), None, "a request is in two batches");
        }
        let folds = batch.folds.iter();
        let (folded, folded_sum) =
            folds.fold((0, 0), |(count, sum), fold| (count + fold.count, sum + fold.request_bytes_sum));
        let told = Told {
            singles: numbers.len() as u64,
            folded,
            sum: numbers.iter().sum::<u64>() + folded_sum,
            totals: batch.ledger.clone().unwrap(),
            refused_at: None,
            batch,
        };
        self.told.insert(sequence, told);
    }

    /// Its filter learnt that a batch is refused.
    pub(crate) fn refused(&mut self, sequence: u64) {
        let highest = self.told.last_key_value().map(|(highest, _)| *highest);
        self.told.get_mut(&sequence).unwrap().refused_at = highest;
    }
}

/// What a run came to, or all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums(pub(crate) BTreeMap<&'static str, u64>);

/// What must have happened in a number of runs.
const FAULTS: [&str; 21] = [
    "delivered",
    "folded",
    "fold_table_full",
    "too_large",
    "refused",
    "late_repeats",
    "collector_restart",
    "epoch_ended",
    "ended_untold",
    "missing",
    "in_flight_at_a_look",
    "batches_lost",
    "batches_doubled",
    "batches_overtaken",
    "answers_lost",
    "repeats",
    "proxies_ended",
    "collectors_ended_with_journal",
    "collectors_ended_without",
    "named_by_join",
    "nameless",
];

impl Sums {
    pub(crate) fn count(&mut self, what: &'static str, count: u64) {
        *self.0.entry(what).or_default() += count;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, count)| self.count(what, *count));
    }

    pub(crate) fn all_happened(&self) -> bool {
        FAULTS.iter().all(|what| self.0.get(what).is_some_and(|count| *count > 0))
    }
}

impl std::fmt::Display for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(what, count)| format!("{what} {count}")).collect();
        f.write_str(&parts.join(", "))
    }
}
