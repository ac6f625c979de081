//! What many requests of one edge and outcome measured together.
//!
//! In: single records and fold rows. Out: counts, sums, and histograms of durations and sizes, which can be added to others.
//! Always holds: counts are exact, whether requests came one by one or folded; sums stop at `u64::MAX` rather than wrap; each
//! histogram has the finest scale that its range of values allows, and exact classic buckets at every scale.
//!
//! A fold row has no histogram of sizes: each of its requests is counted as so large as their mean.

mod buckets;
mod cells;
mod view;
mod snapshot;
mod native;
pub mod durations;

pub use buckets::{BOUNDS_BYTES, BOUNDS_MAX};
pub use native::Native;
pub use view::Histogram;

use crate::batch::{Fold, FoldedDurations, Record};
use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer, snapshot as kept};
use buckets::Layout;
use cells::Rows;
use view::Tally;

/// Which row of counters is whose.
const DURATIONS: usize = 0;
const REQUESTS: usize = 1;
const RESPONSES: usize = 2;

/// The sum over some requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestStats {
    durations: Tally,
    /// Headers and bodies of the requests.
    pub request_bytes: u64,
    /// Headers and bodies of the responses.
    pub response_bytes: u64,
    rows: Rows<3>,
    /// Of gRPC requests whose messages were counted; few series have any.
    messages: Option<Box<Messages>>,
}

/// Messages of gRPC requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Messages {
    /// What clients sent.
    pub request: u64,
    /// What they got.
    pub response: u64,
}

kept!(struct Messages { request, response });

impl SnapshotValue for RequestStats {
    fn save(&self, to: &mut Writer) {
        let Self { durations, request_bytes, response_bytes, rows, messages } = self;
        durations.save(to);
        (*request_bytes, *response_bytes).save(to);
        snapshot::save(rows, to);
        messages.as_deref().copied().save(to);
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let durations = SnapshotValue::load(from)?;
        let (request_bytes, response_bytes) = SnapshotValue::load(from)?;
        let rows = snapshot::load(from, layouts())?;
        let messages = Option::<Messages>::load(from)?.map(Box::new);
        Ok(Self { durations, request_bytes, response_bytes, rows, messages })
    }
}

impl RequestStats {
    /// How many requests.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.rows.row(DURATIONS).count()
    }

    /// Their durations, microseconds.
    #[must_use]
    pub fn durations(&self) -> Histogram<'_> {
        Histogram::new(Layout::durations(), self.rows.row(DURATIONS), self.durations)
    }

    /// The sizes of the requests, bytes.
    #[must_use]
    pub fn request_sizes(&self) -> Histogram<'_> {
        self.sizes(REQUESTS, self.request_bytes)
    }

    /// The sizes of the responses, bytes.
    #[must_use]
    pub fn response_sizes(&self) -> Histogram<'_> {
        self.sizes(RESPONSES, self.response_bytes)
    }

    /// Adds the requests of another.
    pub fn merge(&mut self, other: &Self) {
        self.durations.add(other.durations);
        self.request_bytes = self.request_bytes.saturating_add(other.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
        self.rows.merge(&other.rows, layouts());
        if let Some(Messages { request, response }) = other.messages() {
            self.add_messages(request, response);
        }
    }

    /// The messages of those requests that are gRPC and had them counted; `None` where none had.
    #[must_use]
    pub fn messages(&self) -> Option<Messages> {
        self.messages.as_deref().copied()
    }

    /// Adds messages of requests that are added besides.
    pub fn add_messages(&mut self, request: u64, response: u64) {
        let messages = self.messages.get_or_insert_default();
        messages.request = messages.request.saturating_add(request);
        messages.response = messages.response.saturating_add(response);
    }

    /// Adds one request.
    #[inline]
    pub fn record(&mut self, record: &Record) {
        let Record { duration_us, request_bytes, response_bytes, .. } = *record;
        let (durations, sizes) = (Layout::durations(), Layout::sizes());
        // None of the three waits for another.
        let values = [durations.fine(duration_us), sizes.fine(request_bytes), sizes.fine(response_bytes)];
        self.rows.add_each([durations, sizes, sizes], values);
        self.durations.add(Tally { sum: duration_us, max: duration_us });
        self.request_bytes = self.request_bytes.saturating_add(request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(response_bytes);
    }

    /// Adds the requests of a fold row.
    pub fn fold(&mut self, fold: &Fold) {
        durations::fold(&mut self.durations, &mut self.rows, &fold.durations);
        self.request_bytes = self.request_bytes.saturating_add(fold.request_bytes_sum);
        self.response_bytes = self.response_bytes.saturating_add(fold.response_bytes_sum);
        // As many as have a duration, so that all histograms agree.
        let FoldedDurations { zero_count, counts, .. } = &fold.durations;
        let count = counts.iter().fold(*zero_count, |sum, count| sum.saturating_add(*count));
        for (row, sum) in [(REQUESTS, fold.request_bytes_sum), (RESPONSES, fold.response_bytes_sum)] {
            if let Some(mean) = sum.checked_div(count) {
                self.size(row, mean, count);
            }
        }
    }

    /// Something that depends on the memory of the counters having arrived.
    #[inline]
    pub(crate) fn touch(&self) -> u8 {
        self.rows.touch()
    }

    /// Begins to fetch the memory of the counters.
    #[inline]
    pub(crate) fn prefetch(&self) {
        self.rows.prefetch();
    }

    fn size(&mut self, row: usize, bytes: u64, count: u64) {
        let fine = Layout::sizes().fine(bytes);
        self.rows.add(row, Layout::sizes(), |scale| fine.at(scale), count);
    }

    fn sizes(&self, row: usize, sum: u64) -> Histogram<'_> {
        Histogram::new(Layout::sizes(), self.rows.row(row), Tally { sum, max: u64::MAX })
    }
}

fn layouts() -> [&'static Layout; 3] {
    [Layout::durations(), Layout::sizes(), Layout::sizes()]
}

#[cfg(test)]
mod tests {
    use super::RequestStats;
    use crate::batch::{Fold, FoldedDurations, Record};

    #[test]
    fn folded_requests_are_as_large_as_their_mean() {
        let mut measure = RequestStats::default();
        measure.record(&Record { request_bytes: 0, response_bytes: 1 << 26, ..Record::default() });
        measure.fold(&Fold {
            count: 4,
            durations: FoldedDurations { zero_count: 1, counts: vec![3], ..FoldedDurations::default() },
            request_bytes_sum: 4_096,
            response_bytes_sum: 1 << 50,
            ..Fold::default()
        });
        let (requests, responses) = (measure.request_sizes(), measure.response_sizes());
        assert_eq!(requests.cumulative().take(3).collect::<Vec<_>>(), [1, 5, 5]);
        assert_eq!(responses.cumulative().skip(8).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((responses.count(), requests.sum()), (5, 4_096));
        assert_eq!(requests.quantile(1.0).round(), 981.0);
    }

    #[test]
    fn one_request_takes_three_bytes_beside_its_sums() {
        let mut measure = RequestStats::default();
        measure.record(&Record { duration_us: 7_000, request_bytes: 700, ..Record::default() });
        assert_eq!((size_of::<RequestStats>(), measure.rows.bytes()), (72, 3));
    }
}
