//! Waits for a condition with a deadline.
//!
//! In: a probe and a deadline. Out: the value of the probe, or an error that names the condition.
//! Invariant: a wait ends at the deadline, even when a single probe hangs.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time;

/// Time between two probes: short against the conditions, long against one probe.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// Repeats a probe until it returns a value.
///
/// # Errors
/// When `within` has passed; the message names `condition`.
pub async fn eventually<T>(
    condition: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let search = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            time::sleep(PAUSE).await;
        }
    };
    let found = time::timeout(within, search).await;
    found.with_context(|| format!("{condition}: not within {:.1} s", within.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_returns_the_first_answer_and_gives_up_at_the_deadline() {
        let mut left = 3;
        let counted = eventually("three probes", Duration::from_secs(5), async || {
            left -= 1;
            (left == 0).then_some("done")
        });
        assert_eq!(counted.await.unwrap(), "done");

        let never = eventually("the impossible", Duration::from_millis(50), async || None::<()>).await;
        assert_eq!(never.unwrap_err().to_string(), "the impossible: not within 0.1 s");
    }
}
