//! Quotas: amounts in use and rates, in total and per connection.
//!
//! In: amounts, and the time. Out: whether they are granted. Invariant: amounts in use never exceed
//! the total, nor the limit of a connection. Once half of the total is in use, a connection that
//! already holds something gets at most an eighth of the free amount, so that many slow
//! connections leave enough for others. An amount is released when its holder is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Divisor of the free amount for one connection under pressure. Source: dynamic thresholds of
/// shared packet buffers (Choudhury and Hahne, 1998).
const FREE_DIVISOR: u64 = 8;

/// Divisor of the total for the part that is reserved.
const RESERVE_DIVISOR: u64 = 4;

/// Amount that all connections may hold together.
#[derive(Debug)]
pub(super) struct Budget {
    total: AtomicU64,
    used: Arc<AtomicU64>,
}

impl Budget {
    /// Returns a budget. `used`: gauge of the amount in use.
    pub(super) fn new(total: u64, used: Arc<AtomicU64>) -> Arc<Self> {
        Arc::new(Self { total: AtomicU64::new(total), used })
    }

    /// Sets the total. An amount in use beyond it stays until it is released.
    pub(super) fn set_total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }
}

/// Share of a budget for one connection.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    max: u64,
    held: AtomicU64,
}

impl Share {
    pub(super) fn new(budget: &Arc<Budget>, max: u64) -> Arc<Self> {
        Arc::new(Self { budget: budget.clone(), max, held: AtomicU64::new(0) })
    }

    /// Acquires `amount`, or nothing. A quarter of the total is reserved: only `may_use_reserve`
    /// acquires from it.
    pub(super) fn acquire_unreserved(self: &Arc<Self>, amount: u64, may_use_reserve: bool) -> Option<Held> {
        let total = self.budget.total.load(Ordering::Relaxed);
        let used = self.budget.used.load(Ordering::Relaxed);
        let is_unreserved = used.saturating_add(amount) <= total - total / RESERVE_DIVISOR;
        (may_use_reserve || is_unreserved).then(|| self.acquire(amount)).flatten()
    }

    /// Acquires `amount`, or nothing.
    pub(super) fn acquire(self: &Arc<Self>, amount: u64) -> Option<Held> {
        let mut held = Held { share: self.clone(), amount: 0 };
        held.grow(amount).then_some(held)
    }

    /// Returns an empty amount that can grow.
    pub(super) fn empty(self: &Arc<Self>) -> Held {
        Held { share: self.clone(), amount: 0 }
    }

    fn add(&self, amount: u64) -> bool {
        let before = self.held.fetch_add(amount, Ordering::Relaxed);
        let held = before.saturating_add(amount);
        let used = self.budget.used.fetch_add(amount, Ordering::Relaxed).saturating_add(amount);
        let total = self.budget.total.load(Ordering::Relaxed);
        let fair = before == 0 || used <= total / 2 || held <= total.saturating_sub(used) / FREE_DIVISOR;
        let fits = held <= self.max && used <= total && fair;
        if !fits {
            self.release(amount);
        }
        fits
    }

    fn release(&self, amount: u64) {
        self.held.fetch_sub(amount, Ordering::Relaxed);
        self.budget.used.fetch_sub(amount, Ordering::Relaxed);
    }
}

/// Amount in use; released when dropped.
#[derive(Debug)]
pub(super) struct Held {
    share: Arc<Share>,
    amount: u64,
}

impl Held {
    /// Acquires more; returns `false`, and changes nothing, when that is too much.
    pub(super) fn grow(&mut self, amount: u64) -> bool {
        let fits = self.share.add(amount);
        if fits {
            self.amount = self.amount.saturating_add(amount);
        }
        fits
    }

    /// Releases a part.
    pub(super) fn shrink(&mut self, amount: u64) {
        let amount = amount.min(self.amount);
        self.amount = self.amount.saturating_sub(amount);
        self.share.release(amount);
    }

    /// Amount.
    #[cfg(test)]
    pub(super) fn amount(&self) -> u64 {
        self.amount
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.share.release(self.amount);
    }
}

/// Rate per second, with a burst of one second. Source: the generic cell rate algorithm (ITU-T
/// I.371).
#[derive(Debug)]
pub(super) struct Rate {
    /// Interval, nanoseconds.
    step_ns: AtomicU64,
    /// Time of the next event at an even rate, nanoseconds.
    due_ns: AtomicU64,
}

const SECOND_NS: u64 = 1_000_000_000;

impl Rate {
    /// Returns a rate. `per_second`: at least 1.
    pub(super) fn new(per_second: u64) -> Self {
        Self { step_ns: AtomicU64::new(step_ns(per_second)), due_ns: AtomicU64::new(0) }
    }

    /// Sets the rate.
    pub(super) fn set(&self, per_second: u64) {
        self.step_ns.store(step_ns(per_second), Ordering::Relaxed);
    }

    /// Whether one more event is allowed at `now_ns` of a monotonic clock.
    pub(super) fn allows(&self, now_ns: u64) -> bool {
        let step_ns = self.step_ns.load(Ordering::Relaxed);
        let next = |due: u64| {
            let due = due.max(now_ns).saturating_add(step_ns);
            (due <= now_ns.saturating_add(SECOND_NS)).then_some(due)
        };
        self.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

fn step_ns(per_second: u64) -> u64 {
    SECOND_NS / per_second.max(1)
}

#[cfg(test)]
mod tests {
    use super::{Budget, Rate, SECOND_NS, Share};
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn budget(total: u64) -> (Arc<Budget>, Arc<AtomicU64>) {
        let used = Arc::new(AtomicU64::new(0));
        (Budget::new(total, used.clone()), used)
    }

    #[test]
    fn a_budget_of_one_grants_one() {
        let (budget, used) = budget(1);
        let (a, b) = (Share::new(&budget, 1), Share::new(&budget, 1));
        let held = a.acquire(1).unwrap();
        assert!(a.acquire(1).is_none() && b.acquire(1).is_none());
        budget.set_total(2);
        assert!(b.acquire(1).is_some(), "the total is larger now");
        budget.set_total(1);
        assert!(b.acquire(1).is_none());
        drop(held);
        assert!(b.acquire(1).is_some());
        assert_eq!(used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_quarter_is_reserved_for_connections_that_have_delivered() {
        let (budget, _) = budget(4);
        let shares: Vec<_> = (0..5).map(|_| Share::new(&budget, 1)).collect();
        let held: Vec<_> = shares.iter().filter_map(|share| share.acquire_unreserved(1, false)).collect();
        assert_eq!(held.len(), 3);
        let last = shares[4].acquire_unreserved(1, true);
        assert!(last.is_some() && shares[3].acquire_unreserved(1, true).is_none());
    }

    #[test]
    fn many_slow_connections_leave_enough_for_a_small_one() {
        let (budget, used) = budget(256 << 20);
        let slow: Vec<_> = (0..200).map(|_| Share::new(&budget, 16 << 20)).collect();
        let mut all: Vec<_> = slow.iter().map(Share::empty).collect();
        for _ in 0..4_096 {
            all.iter_mut().for_each(|held| {
                held.grow(16 << 10);
            });
        }
        let free = (256 << 20) - used.load(Ordering::Relaxed);
        let good = Share::new(&budget, 16 << 20);
        let mut held = good.empty();
        let grown = (0..free / FREE_FRAME).take_while(|_| held.grow(FREE_FRAME)).count();
        assert!(grown >= 16, "{free} bytes free, {grown} frames");
    }

    const FREE_FRAME: u64 = 16 << 10;

    #[test]
    fn a_rate_allows_a_burst_of_a_second_and_then_an_even_rate() {
        let rate = Rate::new(100);
        assert_eq!((0..1_000).filter(|_| rate.allows(0)).count(), 100);
        assert!(!rate.allows(SECOND_NS / 200));
        assert!(rate.allows(SECOND_NS / 100) && !rate.allows(SECOND_NS / 100));
        assert_eq!((0..1_000).filter(|_| rate.allows(9 * SECOND_NS)).count(), 100);
        rate.set(10);
        assert_eq!((0..1_000).filter(|_| rate.allows(99 * SECOND_NS)).count(), 10);
    }

    proptest! {
        /// Limits hold for any sequence of requests, and every amount is released.
        #[test]
        fn limits_hold(steps in proptest::collection::vec((0..4_usize, 0..40_u64, any::<bool>()), 0..200)) {
            let (budget, used) = budget(100);
            let shares: Vec<_> = (0..4).map(|_| Share::new(&budget, 30)).collect();
            let mut held: Vec<_> = shares.iter().map(Share::empty).collect();
            for (index, amount, more) in steps {
                if more { held[index].grow(amount); } else { held[index].shrink(amount); }
                prop_assert!(held.iter().all(|held| held.amount() <= 30));
                let sum: u64 = held.iter().map(super::Held::amount).sum();
                prop_assert_eq!(sum, used.load(Ordering::Relaxed));
                prop_assert!(sum <= 100);
            }
            drop(held);
            prop_assert_eq!(used.load(Ordering::Relaxed), 0);
        }
    }
}
