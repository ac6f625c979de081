//! Folded durations as reported on the wire.

/// A base-2 exponential histogram as OpenTelemetry defines it: bucket i of scale s counts the
/// values in (2^(i/2^s), 2^((i+1)/2^s)] microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoldedDurations {
    /// Sum of all durations.
    pub sum_us: u64,
    /// Smallest duration.
    pub min_us: u64,
    /// Largest duration; less than 7 days.
    pub max_us: u64,
    /// Scale, -10 to 20.
    pub scale: i32,
    /// Durations under one microsecond.
    pub zero_count: u64,
    /// Bucket index of `counts[0]`.
    pub offset: i32,
    /// Bucket counts; at most 320.
    pub counts: Vec<u64>,
}

/// Values of folded requests that the histograms count.
#[derive(Debug, Clone, Copy)]
pub struct FoldedRequests<'a> {
    /// Histogram of the durations.
    pub durations: &'a FoldedDurations,
    /// Request bytes, summed.
    pub request_bytes_sum: u64,
    /// Response bytes, summed.
    pub response_bytes_sum: u64,
}
