//! What may be held, and how often something may be asked for, in total and by one connection.
//!
//! In: amounts, and the time. Out: leave or none. Always holds: what is held never exceeds the total nor a connection's
//! own limit; once half of the total is in use, a connection that holds something gets more only up to an eighth of what
//! is free, so that no crowd of slow connections leaves nothing for the others; what is held is given back when its
//! holder is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The part of what is free that one connection may hold under pressure. Source: dynamic thresholds of shared packet
/// buffers (Choudhury and Hahne, 1998).
const FREE_PART: u64 = 8;

/// What all connections may hold together.
#[derive(Debug)]
pub(super) struct Budget {
    total: AtomicU64,
    used: Arc<AtomicU64>,
}

impl Budget {
    /// `used` is the gauge of what is held.
    pub(super) fn new(total: u64, used: Arc<AtomicU64>) -> Arc<Self> {
        Arc::new(Self { total: AtomicU64::new(total), used })
    }

    /// Another total from now on. What is held beyond it stays until it is given back.
    pub(super) fn limit(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }
}

/// What one connection may hold.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    max: u64,
    mine: AtomicU64,
}

impl Share {
    pub(super) fn new(budget: &Arc<Budget>, max: u64) -> Arc<Self> {
        Arc::new(Self { budget: budget.clone(), max, mine: AtomicU64::new(0) })
    }

    /// Takes `amount`, or nothing.
    pub(super) fn take(self: &Arc<Self>, amount: u64) -> Option<Held> {
        let mut held = Held { share: self.clone(), amount: 0 };
        held.grow(amount).then_some(held)
    }

    /// Nothing yet, but it may grow.
    pub(super) fn nothing(self: &Arc<Self>) -> Held {
        Held { share: self.clone(), amount: 0 }
    }

    fn add(&self, amount: u64) -> bool {
        let before = self.mine.fetch_add(amount, Ordering::Relaxed);
        let mine = before.saturating_add(amount);
        let used = self.budget.used.fetch_add(amount, Ordering::Relaxed).saturating_add(amount);
        let total = self.budget.total.load(Ordering::Relaxed);
        let fair = before == 0 || used <= total / 2 || mine <= total.saturating_sub(used) / FREE_PART;
        let fits = mine <= self.max && used <= total && fair;
        if !fits {
            self.give(amount);
        }
        fits
    }

    fn give(&self, amount: u64) {
        self.mine.fetch_sub(amount, Ordering::Relaxed);
        self.budget.used.fetch_sub(amount, Ordering::Relaxed);
    }
}

/// What is held; given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    share: Arc<Share>,
    amount: u64,
}

impl Held {
    /// Takes more; `false` when that is too much, and nothing has changed.
    pub(super) fn grow(&mut self, amount: u64) -> bool {
        let fits = self.share.add(amount);
        if fits {
            self.amount = self.amount.saturating_add(amount);
        }
        fits
    }

    /// Gives back some of it.
    pub(super) fn shrink(&mut self, amount: u64) {
        let amount = amount.min(self.amount);
        self.amount = self.amount.saturating_sub(amount);
        self.share.give(amount);
    }

    /// How much it is.
    pub(super) fn amount(&self) -> u64 {
        self.amount
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.share.give(self.amount);
    }
}

/// So many a second, and a burst of one second's worth. Source: the generic cell rate algorithm (ITU-T I.371).
#[derive(Debug)]
pub(super) struct Rate {
    /// Between two, nanoseconds.
    step_ns: AtomicU64,
    /// When the next one would be due if they came evenly.
    due_ns: AtomicU64,
}

const SECOND_NS: u64 = 1_000_000_000;

impl Rate {
    /// `per_second`: at least 1.
    pub(super) fn new(per_second: u64) -> Self {
        Self { step_ns: AtomicU64::new(step_ns(per_second)), due_ns: AtomicU64::new(0) }
    }

    /// Another rate from now on.
    pub(super) fn limit(&self, per_second: u64) {
        self.step_ns.store(step_ns(per_second), Ordering::Relaxed);
    }

    /// Whether one more may come at `now_ns` of a clock that never goes back.
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
    fn one_of_one_is_leave_enough() {
        let (budget, used) = budget(1);
        let (a, b) = (Share::new(&budget, 1), Share::new(&budget, 1));
        let held = a.take(1).unwrap();
        assert!(a.take(1).is_none() && b.take(1).is_none());
        budget.limit(2);
        assert!(b.take(1).is_some(), "there is room for another one now");
        budget.limit(1);
        assert!(b.take(1).is_none());
        drop(held);
        assert!(b.take(1).is_some());
        assert_eq!(used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_crowd_leaves_room_for_those_who_ask_for_little() {
        let (budget, used) = budget(256 << 20);
        let crowd: Vec<_> = (0..200).map(|_| Share::new(&budget, 16 << 20)).collect();
        let mut all: Vec<_> = crowd.iter().map(Share::nothing).collect();
        for _ in 0..4_096 {
            all.iter_mut().for_each(|held| {
                held.grow(16 << 10);
            });
        }
        let free = (256 << 20) - used.load(Ordering::Relaxed);
        let good = Share::new(&budget, 16 << 20);
        let mut held = good.nothing();
        let grown = (0..free / FREE_FRAME).take_while(|_| held.grow(FREE_FRAME)).count();
        assert!(grown >= 16, "{free} bytes free, {grown} frames");
    }

    const FREE_FRAME: u64 = 16 << 10;

    #[test]
    fn a_rate_has_a_burst_of_a_second_and_then_goes_evenly() {
        let rate = Rate::new(100);
        assert_eq!((0..1_000).filter(|_| rate.allows(0)).count(), 100);
        assert!(!rate.allows(SECOND_NS / 200));
        assert!(rate.allows(SECOND_NS / 100) && !rate.allows(SECOND_NS / 100));
        assert_eq!((0..1_000).filter(|_| rate.allows(9 * SECOND_NS)).count(), 100);
        rate.limit(10);
        assert_eq!((0..1_000).filter(|_| rate.allows(99 * SECOND_NS)).count(), 10);
    }

    proptest! {
        /// Whatever is asked for in whatever order, no limit is passed and all comes back.
        #[test]
        fn limits_hold(steps in proptest::collection::vec((0..4_usize, 0..40_u64, any::<bool>()), 0..200)) {
            let (budget, used) = budget(100);
            let shares: Vec<_> = (0..4).map(|_| Share::new(&budget, 30)).collect();
            let mut held: Vec<_> = shares.iter().map(Share::nothing).collect();
            for (who, amount, more) in steps {
                if more { held[who].grow(amount); } else { held[who].shrink(amount); }
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
