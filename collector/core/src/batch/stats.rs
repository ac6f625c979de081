//! Values of records and fold rows that histograms count.

use super::{Fold, Record};
use crate::histogram::{FoldedRequests, RequestValues};

impl From<&Record> for RequestValues {
    #[inline]
    fn from(record: &Record) -> Self {
        let Record { duration_us, request_bytes, response_bytes, .. } = *record;
        Self { duration_us, request_bytes, response_bytes }
    }
}

impl<'a> From<&'a Fold> for FoldedRequests<'a> {
    fn from(fold: &'a Fold) -> Self {
        let Fold { durations, request_bytes_sum, response_bytes_sum, .. } = fold;
        Self { durations, request_bytes_sum: *request_bytes_sum, response_bytes_sum: *response_bytes_sum }
    }
}
