//! The evaluation of the request expression, in the cheapest form that succeeds.

use crate::attributes::{Attributes, Expression, evaluate_each};

/// The most requests for which the plain expression is skipped.
const SKIPS_MAX: u32 = 255;

/// Chooses between the plain expression, the guarded one and single attributes.
#[derive(Debug, Default)]
pub(super) struct Evaluator {
    /// The number of requests for which the plain expression is still skipped.
    skips_left: u32,
    /// The length of the last series of skips; it doubles with each failure and halves with each
    /// success.
    last_skips: u32,
    fallbacks: u64,
}

impl Evaluator {
    /// Evaluates the expression for the request that just ended;
    /// [`super::stream_info::StreamInfo::read`] reads the result.
    pub(super) fn evaluate(&mut self, attributes: &impl Attributes) -> Vec<u8> {
        if self.skips_left > 0 {
            self.skips_left = self.skips_left.saturating_sub(1);
        } else if let Some(bytes) = attributes.evaluate(Expression::Request) {
            self.last_skips /= 2;
            return bytes;
        } else {
            // In a series of failed requests the plain expression is wasted cost.
            self.skips_left = self.last_skips;
            self.last_skips = self.last_skips.saturating_mul(2).saturating_add(1).min(SKIPS_MAX);
        }
        let result = attributes.evaluate(Expression::RequestGuarded);
        result.unwrap_or_else(|| {
            self.fallbacks = self.fallbacks.saturating_add(1);
            evaluate_each(Expression::RequestGuarded, attributes)
        })
    }

    /// Returns the number of requests that were read attribute by attribute, at several times the
    /// cost.
    pub(super) fn fallbacks(&self) -> u64 {
        self.fallbacks
    }
}
