//! The section `limits`: bounds of the memory that one VM uses while the collector is unreachable.

use super::reader::SettingsReader;

/// Bounds of buffered and unacknowledged records in one VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Records in one batch; 1 to 4,096, default 1,024.
    pub batch_records_max: usize,
    /// Memory for buffered records; when it is full, the oldest batch is folded. 4,096 to
    /// 67,108,864 bytes, default 1 MiB.
    pub buffer_bytes_max: usize,
    /// Batches that were sent and are not yet acknowledged; 1 to 16, default 4.
    pub batches_in_flight_max: usize,
    /// Rows of the fold table; a request that needs a row beyond this is dropped and counted. 0 to
    /// 65,536, default 2,048.
    pub fold_rows_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_records_max: 1_024,
            buffer_bytes_max: 1 << 20,
            batches_in_flight_max: 4,
            fold_rows_max: 2_048,
        }
    }
}

impl Limits {
    /// Reads the section.
    #[inline(never)]
    pub(super) fn read(settings: &mut SettingsReader) -> Self {
        let default = Self::default();
        let mut count = |key, range, default| settings.count(key, range, default);
        Self {
            batch_records_max: count("limits.batch_records_max", (1, 4_096), default.batch_records_max),
            buffer_bytes_max: count("limits.buffer_bytes_max", (4_096, 1 << 26), default.buffer_bytes_max),
            batches_in_flight_max: count(
                "limits.batches_in_flight_max",
                (1, 16),
                default.batches_in_flight_max,
            ),
            fold_rows_max: count("limits.fold_rows_max", (0, 65_536), default.fold_rows_max),
        }
    }
}
