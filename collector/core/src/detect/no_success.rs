//! Edge without success: an edge whose requests succeeded earlier, and in the last complete window
//! has requests without one success.
//!
//! In: the windows of an edge. Out: a finding that begins with the first window after the last
//! success. Source of a failure: [`Outcome::is_failure`](crate::batch::Outcome::is_failure).

mod settings;

pub use settings::Settings;

use super::{Detector, Finding, View};
use crate::recent::windows::{WINDOW_US, Window, WindowStats};

impl Detector for Settings {
    const NAME: &'static str = "no_success";

    fn is_enabled(&self) -> bool {
        self.enabled
    }

    fn check(&self, view: &View<'_>, now_us: u64) -> Option<Finding> {
        let current_us = now_us / WINDOW_US * WINDOW_US;
        let mut windows = view.windows(now_us);
        windows.retain(|window| window.start_us < current_us);
        let last_us = windows.last()?.start_us;
        if last_us.saturating_add(WINDOW_US) < current_us {
            return None;
        }
        let success = windows.iter().rposition(|window| window.stats.requests > window.stats.failed)?;
        let (before, since) = windows.split_at_checked(success.saturating_add(1))?;
        let onset_us = since.first()?.start_us;
        let sum = |windows: &[Window]| windows.iter().fold(WindowStats::default(), add);
        let (before, since) = (sum(before), sum(since));
        if since.requests < self.requests_min {
            return None;
        }
        let evidence = format!(
            "all {} requests failed; before, {} of {} requests succeeded",
            since.requests,
            before.requests.saturating_sub(before.failed),
            before.requests,
        );
        Some(Finding { detector: Self::NAME, subject: view.edge, onset_us, size: since.requests, evidence })
    }
}

fn add(mut sum: WindowStats, window: &Window) -> WindowStats {
    sum.add(window.stats);
    sum
}

#[cfg(test)]
mod tests;
