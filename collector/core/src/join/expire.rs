//! Records whose time is over.
//!
//! In: a key with records that are due. Out: their verdicts. Always holds: what is due is counted and gone; what has to do
//! with it is judged with it, and what has not waits on.

use super::caller_inference;
use super::edge_stats::{Cell, Entry};
use super::packed_record::Half;
use super::pairing::{self, Found, Times, is_same_answer};
use super::table::Place;
use super::verdict::{Pair, Verdict};
use super::{Ending, Join, Side};

/// A called side that began so long after its caller had ended got the request too late; less may be the clocks.
const BEGAN_AFTER_US_MIN: i64 = 10_000;

impl Join {
    /// Judges what is due under a key, or everything under it.
    pub(super) fn settle(&mut self, key: u64, all: bool, now_us: u64) {
        let mut waiting: Vec<(Place, Half)> = Vec::new();
        self.table.visit(key, |place, half| waiting.push((place, Half::unpack(half))));
        let now = Half::tick(now_us);
        if let [(place, half)] = waiting.as_slice() {
            if (all || Half::is_due(half.deadline, now)) && self.table.remove(*place) {
                self.alone(half, now_us);
            }
            return;
        }
        let mut group = Vec::new();
        let mut reached: Vec<bool> =
            waiting.iter().map(|(_, half)| all || Half::is_due(half.deadline, now)).collect();
        self.reach(&waiting, &mut reached);
        for ((place, half), _) in waiting.iter().zip(&reached).filter(|(_, reached)| **reached) {
            self.table.remove(*place);
            group.push(*half);
        }
        pairing::order(&mut group);
        let skews = &self.skews;
        let ahead_us = |source: &Half, destination: &Half| skews.ahead_us(source.own, destination.own);
        let times = Times { ahead_us: &ahead_us, slack_us: self.limits.clock_tolerance_us() };
        let found = pairing::judge(&group, &times);
        let began_after = |source: &Half, destination: &Half| {
            times.began_after_end_us(source, destination) > BEGAN_AFTER_US_MIN
        };
        let late: Vec<bool> = group
            .iter()
            .zip(&found)
            .map(|(half, found)| match found {
                Found::Last { source, .. } => group.get(*source).is_some_and(|it| began_after(it, half)),
                _ => false,
            })
            .collect();
        self.count(&group, &found, &late, now_us);
    }

    /// Adds to what is due what may be the other side of it, and so on.
    fn reach(&self, waiting: &[(Place, Half)], reached: &mut [bool]) {
        let ahead_us = |source: &Half, destination: &Half| self.skews.ahead_us(source.own, destination.own);
        let times = Times { ahead_us: &ahead_us, slack_us: self.limits.clock_tolerance_us() };
        let related = |a: &Half, b: &Half| {
            let (source, destination) = match (a.side, b.side) {
                (Side::Source, Side::Destination) => (a, b),
                (Side::Destination, Side::Source) => (b, a),
                _ => return false,
            };
            times.fits(source, destination)
                || is_same_answer(source, destination) && source.may_be_of(destination.caller)
        };
        for _ in 0..waiting.len() {
            let next = waiting.iter().zip(&*reached).position(|((_, half), is_reached)| {
                let mut others = waiting.iter().zip(&*reached).filter(|(_, reached)| **reached);
                !is_reached && others.any(|((_, other), _)| related(half, other))
            });
            let Some(reached) = next.and_then(|next| reached.get_mut(next)) else { return };
            *reached = true;
        }
    }

    fn count(&mut self, group: &[Half], found: &[Found], late: &[bool], now_us: u64) {
        let mut ambiguous: Vec<&Half> = Vec::new();
        let sole = caller_inference::sole(group);
        for ((half, found), late) in group.iter().zip(found).zip(late) {
            match found {
                Found::Paired => {}
                Found::Alone => self.alone(half, now_us),
                Found::Ambiguous => {
                    self.found(half, sole);
                    ambiguous.push(half);
                }
                Found::Earlier { source } => {
                    self.stats.joined = self.stats.joined.saturating_add(1);
                    self.found(half, group.get(*source));
                }
                Found::Last { source, sure } => {
                    let Some(source) = group.get(*source) else { continue };
                    let pair = Pair {
                        source: source.ending,
                        destination: half.ending,
                        same_answer: is_same_answer(source, half),
                        retried: source.attempts > 1,
                        began_after: *late,
                    };
                    if *sure && pair.same_answer && source.ending.is_answer() && !pair.retried {
                        // It waited since its times did not fit: what is known of the clocks is wrong.
                        self.compare_clocks(source, half);
                    }
                    self.joined(source, half, &pair, *sure);
                }
            }
        }
        self.ambiguous(&ambiguous);
    }

    /// As many hops as there can be: a called side's record may belong to each caller's.
    fn ambiguous(&mut self, halves: &[&Half]) {
        self.stats.ambiguous = self.stats.ambiguous.saturating_add(halves.len() as u64);
        let (sources, destinations): (Vec<&Half>, Vec<&Half>) =
            halves.iter().partition(|half| half.side == Side::Source);
        let longer = if sources.len() >= destinations.len() { sources } else { destinations };
        for half in longer {
            self.add(half, Verdict::Ambiguous);
        }
    }

    /// Counts a record whose other side told nothing.
    pub(super) fn alone(&mut self, half: &Half, now_us: u64) {
        self.stats.alone = self.stats.alone.saturating_add(1);
        self.found(half, None);
        let verdict = match half.side {
            Side::Source => Verdict::of_source(half.ending),
            Side::Destination => Verdict::of_destination(half.ending),
        };
        let verdict =
            if verdict == Verdict::NotForwarded { verdict } else { self.excused(half, verdict, now_us) };
        if verdict == Verdict::PeerNotInstrumented {
            let entry = self.entry(half.edge);
            entry.book.peer_not_instrumented = entry.book.peer_not_instrumented.saturating_add(1);
        }
        self.add(half, verdict);
    }

    fn add(&mut self, half: &Half, verdict: Verdict) {
        let (source, destination) = match half.side {
            Side::Source => (Some(half.ending), None),
            Side::Destination => (None, Some(half.ending)),
        };
        self.entry(half.edge).book.add(Cell { verdict, source, destination });
    }

    /// What it means that the other side told nothing, when it never tells, or when something is known to be lost.
    fn excused(&self, half: &Half, verdict: Verdict, now_us: u64) -> Verdict {
        let entry = self.edges.get(half.edge);
        let other = entry.and_then(|entry| match half.side {
            Side::Source => self.called.get(entry.called),
            Side::Destination => self.callers.get(entry.caller),
        });
        let peer_not_instrumented = match (other, half.side) {
            (Some(other), _) => other.told_us == 0,
            // Nobody has a name. A caller with a proxy numbers its attempts, and others of the edge were joined.
            (None, Side::Destination) => {
                half.attempts == 0 || entry.is_some_and(|entry| entry.book.joined == 0)
            }
            (None, Side::Source) => false,
        };
        if peer_not_instrumented {
            // What the caller saw it saw, whoever was called.
            let rescued = half.side == Side::Source && half.ending == Ending::Ok && half.attempts > 1;
            return if rescued { Verdict::SucceededAfterRetry } else { Verdict::PeerNotInstrumented };
        }
        let since_us = now_us.saturating_sub(self.limits.window_us().saturating_mul(2));
        let within = |time_us: u64| time_us > 0 && time_us >= since_us;
        let proxy = half.peer.checked_sub(1).and_then(|number| self.proxies.get(number));
        let lost = match proxy {
            Some(losses) => losses.since(since_us),
            None => other.is_some_and(|other| within(other.lost_us)),
        };
        if lost || within(self.evicted_us) { Verdict::TelemetryLost } else { verdict }
    }

    pub(super) fn entry(&mut self, edge: u32) -> &mut Entry {
        self.edges.get_mut(edge).unwrap_or(&mut self.overflow)
    }
}
