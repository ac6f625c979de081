//! Position of a value at every scale.

/// Initial scale of a row, in OpenTelemetry's sense.
pub(in crate::histogram) const FINEST: u8 = 5;
/// Number of octaves, up to 2^40: 12 days, or 1 TiB. Larger values count as 2^40.
pub(super) const OCTAVES: usize = 40;
/// Largest distinguished value.
pub(super) const LARGEST: u64 = 1 << OCTAVES;
/// Last bucket of the finest scale.
pub(super) const INDEX_MAX: u16 = ((OCTAVES << FINEST) - 1) as u16;

/// Position of a value among the finest buckets, which determines its position at every scale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::histogram) struct FinePosition {
    /// Number of positions before the buckets above 1, plus the classic bounds below the value.
    pub(super) before: u16,
    /// Bucket index of the finest scale.
    pub(super) index: u16,
}

impl FinePosition {
    /// Returns the position at a scale not finer than [`FINEST`].
    #[inline]
    pub(in crate::histogram) fn at(self, scale: u8) -> usize {
        usize::from(self.before) + usize::from(self.index >> FINEST.saturating_sub(scale))
    }
}

/// Returns a position as 16 bits: a layout has far fewer positions.
pub(super) fn narrow(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(u16::MAX)
}
