//! Requests whose caller neither address nor certificate names, while the join looks for what their caller's proxy tells.
//!
//! In: single requests of called sides, under the keys by which the join finds them. Out: the same, when their caller is
//! found, when nobody is any more to be found, or when their time is over. Always holds: what goes in comes out once; at most
//! `requests_max` wait, and one that finds no room is counted at once, as well as it can be named.

use super::ReportedEdge;
use crate::batch::Record;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A request that waits.
#[derive(Debug, Clone)]
pub struct PendingCaller {
    /// Its edge as it was reported, and how it ended.
    pub reported: Arc<ReportedEdge>,
    /// Its figures.
    pub record: Record,
    due_us: u64,
}

/// What waits.
#[derive(Debug, Clone, Default)]
pub struct PendingCallers {
    requests_max: usize,
    by_key: HashMap<u64, Vec<PendingCaller>>,
    /// When the wait of a key's requests is over; those that were found meanwhile are there no more.
    due: VecDeque<(u64, u64)>,
    count: usize,
    rejected: u64,
}

impl PendingCallers {
    /// An empty room for so many requests.
    #[must_use]
    pub fn new(requests_max: usize) -> Self {
        Self { requests_max, ..Self::default() }
    }

    /// Another bound from now on. What waits already stays.
    pub fn limit(&mut self, requests_max: usize) {
        self.requests_max = requests_max;
    }

    /// Takes a request in until `due_us`; `false` when the room is full.
    pub fn insert(&mut self, key: u64, reported: &Arc<ReportedEdge>, record: &Record, due_us: u64) -> bool {
        // One that was found may still stand among the due.
        if self.count >= self.requests_max || self.due.len() >= self.requests_max.saturating_mul(2) {
            self.rejected = self.rejected.saturating_add(1);
            return false;
        }
        let request = PendingCaller { reported: reported.clone(), record: *record, due_us };
        // Few keys have more than one.
        self.by_key.entry(key).or_insert_with(|| Vec::with_capacity(1)).push(request);
        self.due.push_back((due_us, key));
        self.count += 1;
        true
    }

    /// Takes out the request under a key that `is_it`.
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

    /// Takes out those whose time is over.
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

    /// All that wait, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &PendingCaller> {
        let mut keys: Vec<_> = self.by_key.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| **key);
        keys.into_iter().flat_map(|(_, callers)| callers)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Requests that found no room.
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

    /// Steps in, durations of what comes out: `put 7 1 until 10` (key, duration), `take 7 1`, `due 10`.
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
    fn what_goes_in_comes_out_once() {
        check(9, "put 7 1 until 10, put 7 2 until 10, take 7 2, take 7 2, take 8 1", "2, none, none, 1 left");
        check(
            9,
            "put 7 1 until 10, put 8 2 until 11, due 9, due 10, due 10, due 11",
            "1 late, 2 late, 0 left",
        );
        check(9, "put 7 1 until 10, take 7 1, put 7 1 until 20, due 10, due 20", "1, 1 late, 0 left");
    }

    #[test]
    fn there_is_a_bound() {
        check(1, "put 7 1 until 10, put 8 2 until 10, take 7 1, put 8 2 until 10", "full, 1, 1 left");
        check(0, "put 7 1 until 10", "full, 0 left");
        let again = "put 7 1 until 10, take 7 1, put 7 1 until 10, take 7 1, put 7 1 until 10, due 10, put 7 1 until 20";
        check(1, again, "1, 1, full, 1 left");
    }
}
