//! Order of normal requests and faults.
//!
//! In: a mix. Out: one group after the other.
//! Invariant: the share of requests that cause faults is met as closely as whole requests allow,
//! and the faults take turns.

use crate::fault::Fault;

/// Share and kinds of faults.
#[derive(Debug, Clone)]
pub struct Mix {
    /// Share of the requests, 0 to 1.
    pub fault_share: f64,
    /// The faults that take turns.
    pub faults: Vec<Fault>,
}

impl Mix {
    /// Normal requests only.
    pub fn healthy() -> Self {
        Self { fault_share: 0.0, faults: Vec::new() }
    }

    /// All faults.
    pub fn faulty(fault_share: f64) -> Self {
        Self { fault_share, faults: Fault::ALL.to_vec() }
    }
}

/// Requests that are sent in parallel for one fault, or one normal request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestGroup {
    /// Fault that the requests cause; none for a normal request.
    pub(super) fault: Option<Fault>,
    /// Number of requests.
    pub(super) requests: u32,
}

/// Errands up to a number of requests.
#[derive(Debug)]
pub(super) struct Schedule {
    mix: Mix,
    left: u64,
    planned: u64,
    faulty: u64,
    turn: usize,
}

impl Schedule {
    pub(super) fn new(mix: &Mix, requests: u64) -> Self {
        Self { mix: mix.clone(), left: requests, planned: 0, faulty: 0, turn: 0 }
    }

    /// The next group; `burst` says how many requests a fault needs at once.
    pub(super) fn next(&mut self, burst: impl FnOnce(Fault) -> u32) -> Option<RequestGroup> {
        let left = u32::try_from(self.left).unwrap_or(u32::MAX);
        if left == 0 {
            return None;
        }
        let fault = if self.fault_is_due() { self.next_fault() } else { None };
        let requests = fault.map_or(1, burst).clamp(1, left);
        self.left -= u64::from(requests);
        self.planned += u64::from(requests);
        self.faulty += fault.map_or(0, |_| u64::from(requests));
        Some(RequestGroup { fault, requests })
    }

    fn fault_is_due(&self) -> bool {
        (self.faulty + 1) as f64 <= self.mix.fault_share * (self.planned + 1) as f64
    }

    fn next_fault(&mut self) -> Option<Fault> {
        let fault = self.mix.faults.get(self.turn % self.mix.faults.len().max(1)).copied();
        self.turn = self.turn.wrapping_add(1);
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(mix: &Mix, requests: u64) -> Vec<RequestGroup> {
        let mut schedule = Schedule::new(mix, requests);
        std::iter::from_fn(|| schedule.next(|fault| if fault == Fault::Uo { 6 } else { 1 })).collect()
    }

    #[test]
    fn all_requests_are_planned_and_faults_take_turns() {
        let check = |share: f64, requests: u64, faulty: u64| {
            let groups = groups(&Mix::faulty(share), requests);
            assert_eq!(groups.iter().map(|group| u64::from(group.requests)).sum::<u64>(), requests);
            let faults = groups.iter().filter(|group| group.fault.is_some());
            let share: u64 = faults.clone().map(|group| u64::from(group.requests)).sum();
            assert!(share.abs_diff(faulty) <= 6, "{share} requests cause faults, not {faulty}");
            let turns: Vec<_> = faults.map_while(|group| group.fault).collect();
            assert!(turns.iter().zip(Fault::ALL.iter().cycle()).all(|(turn, fault)| turn == fault));
        };
        check(0.0, 100, 0);
        check(0.1, 20_000, 2_000);
        check(1.0, 1_000, 1_000);
    }

    #[test]
    fn without_faults_all_requests_are_normal() {
        let none = Mix { fault_share: 1.0, faults: Vec::new() };
        assert!(
            groups(&none, 10).iter().chain(&groups(&Mix::healthy(), 10)).all(|group| group.fault.is_none())
        );
    }
}
