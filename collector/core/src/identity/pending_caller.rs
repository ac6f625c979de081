//! Requests whose caller neither address nor certificate identifies, until the join infers it from
//! the record of the calling proxy.
//!
//! In: single requests of destinations, with the keys that the join uses. Out: the same requests,
//! when their caller is inferred, when no caller is left to match, or when they are due. Invariant:
//! each request leaves once; at most `requests_max` are pending, and one more is counted at once.

mod snapshot;

use super::ReportedEdge;
use crate::batch::Record;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Pending request.
#[derive(Debug, Clone)]
pub struct PendingCaller {
    /// Edge and outcome as they were reported.
    pub reported: Arc<ReportedEdge>,
    /// Record of the request.
    pub record: Record,
    due_us: u64,
}

/// Pending requests by key.
#[derive(Debug, Clone, Default)]
pub struct PendingCallers {
    requests_max: usize,
    by_key: HashMap<u64, Vec<PendingCaller>>,
    /// Due times and keys, in order of insertion. Requests that were removed meanwhile are absent
    /// from `by_key`.
    due: VecDeque<(u64, u64)>,
    count: usize,
    rejected: u64,
}

impl PendingCallers {
    /// Creates an empty set.
    #[must_use]
    pub fn new(requests_max: usize) -> Self {
        Self { requests_max, ..Self::default() }
    }

    /// Sets another bound. Pending requests stay.
    pub fn limit(&mut self, requests_max: usize) {
        self.requests_max = requests_max;
    }

    /// Inserts a request, pending until `due_us`. Returns `false` when too many are pending.
    pub fn insert(&mut self, key: u64, reported: &Arc<ReportedEdge>, record: &Record, due_us: u64) -> bool {
        // Removed requests may still be listed in `due`.
        if self.count >= self.requests_max || self.due.len() >= self.requests_max.saturating_mul(2) {
            self.rejected = self.rejected.saturating_add(1);
            return false;
        }
        let request = PendingCaller { reported: reported.clone(), record: *record, due_us };
        // Few keys have more than one request.
        self.by_key.entry(key).or_insert_with(|| Vec::with_capacity(1)).push(request);
        self.due.push_back((due_us, key));
        self.count += 1;
        true
    }

    /// Removes and returns the request with a key for which `is_it` holds.
    pub fn remove(&mut self, key: u64, is_it: impl Fn(&Record) -> bool) -> Option<PendingCaller> {
        let requests = self.by_key.get_mut(&key)?;
        let index = requests.iter().position(|request| is_it(&request.record))?;
        let request = requests.swap_remove(index);
        if requests.is_empty() {
            self.by_key.remove(&key);
        }
        self.count -= 1;
        Some(request)
    }

    /// Removes and returns the requests that are due.
    pub fn remove_due(&mut self, now_us: u64) -> Vec<PendingCaller> {
        let mut due = Vec::new();
        while let Some((_, key)) = self.due.pop_front_if(|(due_us, _)| *due_us <= now_us) {
            let Some(requests) = self.by_key.get_mut(&key) else { continue };
            due.extend(requests.extract_if(.., |request| request.due_us <= now_us));
            if requests.is_empty() {
                self.by_key.remove(&key);
            }
        }
        self.count -= due.len();
        due
    }

    /// Pending requests, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &PendingCaller> {
        let mut keys: Vec<_> = self.by_key.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| **key);
        keys.into_iter().flat_map(|(_, callers)| callers)
    }

    /// Number of pending requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no request is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Requests that were not inserted because too many were pending.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected
    }
}

#[cfg(test)]
mod tests {
    use super::PendingCallers;
    use crate::batch::{Edge, Identity, Outcome, Record};
    use crate::identity::ReportedEdge;
    use std::sync::Arc;

    /// Checks the durations of the requests that leave. Steps: `put 7 1 until 10` (key, duration),
    /// `take 7 1`, `due 10`.
    #[track_caller]
    fn check(requests_max: usize, steps: &str, expected: &str) {
        let (own, edge) = (Arc::new(Identity::default()), Arc::new(Edge::default()));
        let reported = Arc::new(ReportedEdge { own, edge, outcome: Outcome::default() });
        let mut pending = PendingCallers::new(requests_max);
        let mut out = Vec::new();
        for step in steps.split(", ") {
            let words: Vec<&str> = step.split(' ').collect();
            let number = |index: usize| words.get(index).map_or(0, |word| word.parse::<u64>().unwrap());
            match words[0] {
                "put" => {
                    let record = Record { duration_us: number(2), ..Record::default() };
                    if !pending.insert(number(1), &reported, &record, number(4)) {
                        out.push("full".to_owned());
                    }
                }
                "take" => {
                    let taken = pending.remove(number(1), |record| record.duration_us == number(2));
                    out.push(taken.map_or("none".to_owned(), |it| it.record.duration_us.to_string()));
                }
                _ => {
                    let due = pending.remove_due(number(1));
                    out.extend(due.iter().map(|it| format!("{} late", it.record.duration_us)));
                }
            }
        }
        out.push(format!("{} left", pending.len()));
        assert_eq!(pending.iter().count(), pending.len());
        assert_eq!(out.join(", "), expected);
    }

    #[test]
    fn each_request_leaves_once() {
        check(9, "put 7 1 until 10, put 7 2 until 10, take 7 2, take 7 2, take 8 1", "2, none, none, 1 left");
        check(
            9,
            "put 7 1 until 10, put 8 2 until 11, due 9, due 10, due 10, due 11",
            "1 late, 2 late, 0 left",
        );
        check(9, "put 7 1 until 10, take 7 1, put 7 1 until 20, due 10, due 20", "1, 1 late, 0 left");
    }

    #[test]
    fn the_number_of_pending_requests_is_bounded() {
        check(1, "put 7 1 until 10, put 8 2 until 10, take 7 1, put 8 2 until 10", "full, 1, 1 left");
        check(0, "put 7 1 until 10", "full, 0 left");
        let again = "put 7 1 until 10, take 7 1, put 7 1 until 10, take 7 1, put 7 1 until 10, due 10, put 7 1 until 20";
        check(1, again, "1, 1, full, 1 left");
    }
}
