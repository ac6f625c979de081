//! Statistics of many requests: counts, sums and histograms of durations and sizes.
//!
//! In: the values of single requests, and folded requests.
//! Out: histograms that can be merged.
//! Invariant: counts are exact for single and folded requests; sums saturate at `u64::MAX`; each
//! histogram has the finest scale that its range of values allows, and exact classic buckets at
//! every scale.
//!
//! Folded requests have no histogram of sizes: each counts with their mean size.

mod buckets;
mod cells;
mod folded;
mod view;
mod snapshot;
mod native;
pub mod durations;

pub use buckets::{BOUNDS_BYTES, BOUNDS_MAX};
pub use folded::{FoldedDurations, FoldedRequests};
pub use native::Native;
pub use view::Histogram;

use crate::snapshot::codec::{Reader, SnapshotValue, Unreadable, Writer, snapshot as snapshot_value};
use buckets::Layout;
use cells::Rows;
use view::Tally;

/// Row numbers of the counters.
const DURATIONS: usize = 0;
const REQUESTS: usize = 1;
const RESPONSES: usize = 2;

/// Values of one request that the histograms count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestValues {
    /// Duration in microseconds.
    pub duration_us: u64,
    /// Request headers and body.
    pub request_bytes: u64,
    /// Response headers and body.
    pub response_bytes: u64,
}

/// Statistics of the requests of one series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestStats {
    durations: Tally,
    /// Sum of request headers and bodies.
    pub request_bytes: u64,
    /// Sum of response headers and bodies.
    pub response_bytes: u64,
    rows: Rows<3>,
    /// Messages of gRPC requests; boxed, because few series have any.
    messages: Option<Box<Messages>>,
}

/// Message counts of gRPC requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Messages {
    /// Messages from clients to servers.
    pub request: u64,
    /// Messages from servers to clients.
    pub response: u64,
}

snapshot_value!(struct Messages { request, response });

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
    /// Returns the number of requests.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.rows.row(DURATIONS).count()
    }

    /// Returns the histogram of durations; sum, maximum and quantiles are microseconds.
    #[must_use]
    pub fn durations(&self) -> Histogram<'_> {
        Histogram::new(Layout::durations(), self.rows.row(DURATIONS), self.durations)
    }

    /// Returns the histogram of request sizes in bytes.
    #[must_use]
    pub fn request_sizes(&self) -> Histogram<'_> {
        self.sizes(REQUESTS, self.request_bytes)
    }

    /// Returns the histogram of response sizes in bytes.
    #[must_use]
    pub fn response_sizes(&self) -> Histogram<'_> {
        self.sizes(RESPONSES, self.response_bytes)
    }

    /// Adds the requests of another statistics.
    pub fn merge(&mut self, other: &Self) {
        self.durations.add(other.durations);
        self.request_bytes = self.request_bytes.saturating_add(other.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
        self.rows.merge(&other.rows, layouts());
        if let Some(Messages { request, response }) = other.messages() {
            self.add_messages(request, response);
        }
    }

    /// Returns the message counts of gRPC requests; `None` when no messages were counted.
    #[must_use]
    pub fn messages(&self) -> Option<Messages> {
        self.messages.as_deref().copied()
    }

    /// Adds message counts of requests, which are counted separately.
    pub fn add_messages(&mut self, request: u64, response: u64) {
        let messages = self.messages.get_or_insert_default();
        messages.request = messages.request.saturating_add(request);
        messages.response = messages.response.saturating_add(response);
    }

    /// Adds one request.
    #[inline]
    pub fn record(&mut self, request: impl Into<RequestValues>) {
        let RequestValues { duration_us, request_bytes, response_bytes } = request.into();
        let (durations, sizes) = (Layout::durations(), Layout::sizes());
        // The three are independent of each other, so that the processor overlaps them.
        let values =
            [durations.duration(duration_us), sizes.position(request_bytes), sizes.position(response_bytes)];
        self.rows.add_each([durations, sizes, sizes], values);
        self.durations.add(Tally { sum: duration_us, max: duration_us });
        self.request_bytes = self.request_bytes.saturating_add(request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(response_bytes);
    }

    /// Adds folded requests.
    pub fn fold<'a>(&mut self, requests: impl Into<FoldedRequests<'a>>) {
        let FoldedRequests { durations, request_bytes_sum, response_bytes_sum } = requests.into();
        durations::fold(&mut self.durations, &mut self.rows, durations);
        self.request_bytes = self.request_bytes.saturating_add(request_bytes_sum);
        self.response_bytes = self.response_bytes.saturating_add(response_bytes_sum);
        // The number of durations, so that all histograms have the same count.
        let FoldedDurations { zero_count, counts, .. } = durations;
        let count = counts.iter().fold(*zero_count, |sum, count| sum.saturating_add(*count));
        for (row, sum) in [(REQUESTS, request_bytes_sum), (RESPONSES, response_bytes_sum)] {
            if let Some(mean) = sum.checked_div(count) {
                self.add_sizes(row, mean, count);
            }
        }
    }

    /// Returns a value that depends on the loaded memory of the counters, which forces the load.
    #[inline]
    pub(crate) fn touch(&self) -> u8 {
        self.rows.touch()
    }

    /// Prefetches the memory of the counters.
    #[inline]
    pub(crate) fn prefetch(&self) {
        self.rows.prefetch();
    }

    fn add_sizes(&mut self, row: usize, bytes: u64, count: u64) {
        let position = Layout::sizes().position(bytes);
        self.rows.add(row, Layout::sizes(), |scale| position.at(scale), count);
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
    use super::{FoldedDurations, FoldedRequests, RequestStats, RequestValues};

    #[test]
    fn folded_requests_count_with_their_mean_size() {
        let mut stats = RequestStats::default();
        stats.record(RequestValues { response_bytes: 1 << 26, ..RequestValues::default() });
        let durations = FoldedDurations { zero_count: 1, counts: vec![3], ..FoldedDurations::default() };
        stats.fold(FoldedRequests {
            durations: &durations,
            request_bytes_sum: 4_096,
            response_bytes_sum: 1 << 50,
        });
        let (requests, responses) = (stats.request_sizes(), stats.response_sizes());
        assert_eq!(requests.cumulative().take(3).collect::<Vec<_>>(), [1, 5, 5]);
        assert_eq!(responses.cumulative().skip(8).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((responses.count(), requests.sum()), (5, 4_096));
        assert_eq!(requests.quantile(1.0).round(), 981.0);
    }

    #[test]
    fn one_request_takes_three_bytes_of_counters() {
        let mut stats = RequestStats::default();
        stats.record(RequestValues { duration_us: 7_000, request_bytes: 700, ..RequestValues::default() });
        assert_eq!((size_of::<RequestStats>(), stats.rows.bytes()), (72, 3));
    }
}
