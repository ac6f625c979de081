//! Counts of requests and answers.
//!
//! In: answers. Out: counts and latencies, for normal requests and for each fault.
//! Invariant: as many answers as requests; a missing answer counts as one.

use std::collections::BTreeMap;

use super::latency::Latencies;
use crate::client::Answer;
use crate::fault::Fault;

/// Answers to requests of one kind.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// Requests.
    pub sent: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer: the client disconnected, or the connection broke.
    pub none: u64,
    /// Durations.
    pub latencies: Latencies,
}

impl Answers {
    /// Answers with this status.
    pub fn with_status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    fn add(&mut self, answer: &Answer) {
        self.sent += 1;
        match answer.status {
            Some(status) => *self.statuses.entry(status).or_default() += 1,
            None => self.none += 1,
        }
        self.latencies.add(answer.took);
    }

    fn merge(&mut self, other: Self) {
        self.sent += other.sent;
        self.none += other.none;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.latencies.merge(other.latencies);
    }
}

/// Answers to all requests.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests without a fault.
    pub normal: Answers,
    /// Requests by fault.
    pub faults: BTreeMap<Fault, Answers>,
}

impl Tally {
    /// All requests.
    pub fn sent(&self) -> u64 {
        self.normal.sent + self.faults.values().map(|answers| answers.sent).sum::<u64>()
    }

    pub(super) fn add(&mut self, fault: Option<Fault>, answers: &[Answer]) {
        let kind = match fault {
            Some(fault) => self.faults.entry(fault).or_default(),
            None => &mut self.normal,
        };
        answers.iter().for_each(|answer| kind.add(answer));
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.normal.merge(other.normal);
        for (fault, answers) in other.faults {
            self.faults.entry(fault).or_default().merge(answers);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_missing_answer_counts() {
        let took = Duration::from_millis(1);
        let mut tally = Tally::default();
        tally.add(None, &[Answer { status: Some(200), took }]);
        let mut other = Tally::default();
        other.add(Some(Fault::Dc), &[Answer { status: None, took }, Answer { status: Some(503), took }]);
        tally.merge(other.clone());
        tally.merge(other);
        assert_eq!((tally.sent(), tally.normal.with_status(200)), (5, 1));
        let left = &tally.faults[&Fault::Dc];
        assert_eq!((left.sent, left.none, left.with_status(503)), (4, 2, 2));
        assert_eq!(left.latencies.max(), took);
    }
}
