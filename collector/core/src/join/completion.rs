//! Records of a resolved group whose result is final.
//!
//! In: a group, its results, and which records have waited for their whole window. Out: the records
//! to count now; the others stay pending.
//! Invariant: a record counts as alone or ambiguous only after its whole window, however early the
//! rest of its group is complete. A pair counts earlier if no later record explains it better: both
//! sides report the same response, or one side reports none.

use super::Side;
use super::ending::Ending;
use super::packed_record::PendingRecord;
use super::pairing::{PairingResult, is_same_response};

/// Returns which records of a group to count. `waited`: whether a record has waited for its whole
/// window.
pub(super) fn completed(
    group: &[PendingRecord],
    results: &[PairingResult],
    waited: impl Fn(&PendingRecord) -> bool,
) -> Vec<bool> {
    let waited: Vec<bool> = group.iter().map(waited).collect();
    let has_waited = |index: usize| waited.get(index).copied().unwrap_or(false);
    let ambiguous = results.iter().enumerate().filter(|(_, result)| **result == PairingResult::Ambiguous);
    let counts_ambiguous = ambiguous.map(|(index, _)| index).any(has_waited);
    let mut completed = vec![false; group.len()];
    for ((index, record), result) in group.iter().enumerate().zip(results) {
        let is_completed = match result {
            PairingResult::LastAttempt { source, .. } => {
                let early = group.get(*source).is_some_and(|source| is_early_pair(source, record));
                let both = early || has_waited(index) || has_waited(*source);
                completed.get_mut(*source).into_iter().for_each(|source| *source = both);
                both
            }
            // No further record changes the verdict of a request that was not forwarded.
            PairingResult::Alone => has_waited(index) || is_not_forwarded(record),
            PairingResult::Ambiguous => counts_ambiguous,
            // Decided by the pair, and by the source.
            PairingResult::Paired | PairingResult::EarlierAttempt { .. } => continue,
        };
        completed.get_mut(index).into_iter().for_each(|it| *it = is_completed);
    }
    for (index, result) in results.iter().enumerate() {
        if let PairingResult::EarlierAttempt { source } = result {
            let is_completed = has_waited(index) || completed.get(*source).copied().unwrap_or(false);
            completed.get_mut(index).into_iter().for_each(|it| *it = is_completed);
        }
    }
    completed
}

fn is_not_forwarded(record: &PendingRecord) -> bool {
    record.side == Side::Source && record.ending == Ending::NotForwarded
}

/// Whether two records that wait for further calls with their id may be counted already.
fn is_early_pair(source: &PendingRecord, destination: &PendingRecord) -> bool {
    let gone = matches!(destination.ending, Ending::CallerGaveUp | Ending::Silent);
    source.may_be_from(destination.source_tag)
        && (is_same_response(source, destination) || !source.ending.is_response() || gone)
}
