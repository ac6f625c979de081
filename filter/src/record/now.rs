//! The time of an event, by two clocks.

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// The wall clock, microseconds since the Unix epoch: for the start of a record. Its steps are
    /// those of the machine.
    pub wall_us: u64,
    /// A clock without steps, microseconds: for ages and deadlines.
    pub steady_us: u64,
}

/// The largest difference between the start of a request or connection in Envoy and the start that
/// the filter notes, which is at most a tick earlier. A larger one is a step of the wall clock.
const START_DIFFERENCE_MAX_US: u64 = 5_000_000;

impl Now {
    /// Returns the age of a request or connection, microseconds. `start_us`: the start by the wall
    /// clock, from Envoy. `noted_us`: the start by the steady clock; 0 where it is not known.
    #[must_use]
    pub fn age_us(self, start_us: u64, noted_us: u64) -> u64 {
        let age_us = self.wall_us.saturating_sub(start_us);
        let noted_age_us = self.steady_us.saturating_sub(noted_us);
        let has_stepped = start_us > self.wall_us || noted_age_us.abs_diff(age_us) > START_DIFFERENCE_MAX_US;
        if has_stepped && noted_us != 0 { noted_age_us } else { age_us }
    }
}
