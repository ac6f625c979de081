//! Ground truth: completed requests and sent batches, recorded outside of the product.
//!
//! In: every completed request, every sent batch. Out: the batch that holds each request.
//! Invariant: the content of a batch never changes; no request has a record in two batches.

use hopscope_proto::v1;
use prost::Message;
use std::collections::{BTreeMap, HashMap};

/// A batch that a filter sent.
#[derive(Debug)]
pub(crate) struct SentBatch {
    batch: v1::Batch,
    /// Requests with a record.
    pub(crate) records: u64,
    pub(crate) folded: u64,
    /// Sum over the numbers of all requests in the batch.
    pub(crate) sum: u64,
    /// Totals of the ledger in the batch: of this batch and of all earlier ones.
    pub(crate) totals: v1::Ledger,
    /// Highest sequence of the epoch at the time when the filter learned of the rejection.
    pub(crate) refused_at: Option<u64>,
}

impl SentBatch {
    pub(crate) fn requests(&self) -> u64 {
        self.records + self.folded
    }
}

/// One epoch: one life of a filter VM.
#[derive(Debug, Default)]
pub(crate) struct Epoch {
    pub(crate) proxy: String,
    pub(crate) has_ended: bool,
    pub(crate) seen: u64,
    /// Sum over the numbers of all seen requests.
    pub(crate) seen_sum: u64,
    pub(crate) sent: BTreeMap<u64, SentBatch>,
    /// Sequence of the batch with the record of a request, by the request's number.
    batch_of: HashMap<u64, u64>,
}

impl Epoch {
    pub(crate) fn of(proxy: &str) -> Self {
        Self { proxy: proxy.to_owned(), ..Self::default() }
    }

    /// Records a completed request.
    pub(crate) fn see(&mut self, number: u64) {
        self.seen += 1;
        self.seen_sum += number;
    }

    /// Records a sent batch; a repeated one must be identical.
    pub(crate) fn record_sent(&mut self, sequence: u64, message: &[u8]) {
        let batch = v1::Batch { identity: None, attempt: 0, ..v1::Batch::decode(message).unwrap() };
        assert_eq!(batch.sequence, sequence);
        if let Some(known) = self.sent.get(&sequence) {
            assert_eq!(known.batch, batch, "a repeated batch differs");
            return;
        }
        let highest = self.sent.last_key_value().map_or(0, |(highest, _)| *highest);
        assert_eq!(sequence, highest + 1, "sequences have a gap");
        let numbers = batch.records.as_ref().map(|records| records.request_bytes.clone()).unwrap_or_default();
        for number in &numbers {
            assert_eq!(self.batch_of.insert(*number, sequence), None, "a request is in two batches");
        }
        let folds = batch.folds.iter();
        let (folded, folded_sum) =
            folds.fold((0, 0), |(count, sum), fold| (count + fold.count, sum + fold.request_bytes_sum));
        let sent = SentBatch {
            records: numbers.len() as u64,
            folded,
            sum: numbers.iter().sum::<u64>() + folded_sum,
            totals: batch.ledger.clone().unwrap(),
            refused_at: None,
            batch,
        };
        self.sent.insert(sequence, sent);
    }

    /// Records that the filter learned of a rejection.
    pub(crate) fn refused(&mut self, sequence: u64) {
        let highest = self.sent.last_key_value().map(|(highest, _)| *highest);
        self.sent.get_mut(&sequence).unwrap().refused_at = highest;
    }
}

/// Counts of one run or of all runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums(pub(crate) BTreeMap<&'static str, u64>);

/// Counts that must be positive over many runs.
const FAULTS: [&str; 20] = [
    "delivered",
    "folded",
    "fold_table_full",
    "too_large",
    "moved",
    "collector_restart",
    "epoch_ended",
    "lost_with_proxy",
    "missing",
    "in_flight_at_check",
    "batches_lost",
    "batches_doubled",
    "batches_overtaken",
    "answers_lost",
    "repeats",
    "proxies_ended",
    "collectors_ended_with_journal",
    "collectors_ended_without",
    "named_by_join",
    "unnamed",
];

impl Sums {
    pub(crate) fn count(&mut self, name: &'static str, count: u64) {
        *self.0.entry(name).or_default() += count;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, count)| self.count(name, *count));
    }

    /// Whether every fault happened.
    pub(crate) fn all_happened(&self) -> bool {
        FAULTS.iter().all(|name| self.0.get(name).is_some_and(|count| *count > 0))
    }
}

impl std::fmt::Display for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(name, count)| format!("{name} {count}")).collect();
        f.write_str(&parts.join(", "))
    }
}
