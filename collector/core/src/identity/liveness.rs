//! Liveness of proxies: reporting, idle, or not reporting although they serve traffic.
//!
//! In: reports of proxies, requests that other proxies report with them, and the time. Out: a
//! [`Liveness`] for each proxy. Invariant: a proxy without reports is idle, since it may have
//! ended; it is `not_reporting` only if other proxies report requests with it after its own report
//! was due, and for longer than a filter may take to report. Reports that the collector missed while
//! it was down do not count.
//!
//! A filter that has trapped leaves its proxy working (`FAIL_OPEN`) and reports nothing; the peers
//! of the proxy still report its requests.

use super::AddressBook;
use crate::batch::{Outcome, Reporter, Text};
use crate::settings::seconds_us;
use crate::snapshot::codec::snapshot;

/// Time without any report or tick after which the collector is taken to have been down.
const AWAY_US: u64 = 10_000_000;

/// Step of the time at which proxies are noted as alive: one note a step is enough.
pub const ALIVE_STEP_US: u64 = 1_000_000;

/// Reports of a filter in the time after which it counts as silent, by default 15 s and 45 s.
const REPORTS_PER_QUIET: u64 = 3;

/// Liveness of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Liveness {
    /// The proxy reports.
    Reporting,
    /// The proxy has not reported in time, and no other proxy reports requests with it: it has
    /// ended, or reports to another collector.
    Idle,
    /// The proxy has not reported in time, and other proxies report requests with it: its filter
    /// has failed, or its reports do not arrive.
    NotReporting,
}

impl Liveness {
    /// All values.
    pub const ALL: [Self; 3] = [Self::Reporting, Self::Idle, Self::NotReporting];

    /// Value of the label `liveness` and of the JSON field `state`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Reporting => "reporting",
            Self::Idle => "idle",
            Self::NotReporting => "not_reporting",
        }
    }
}

/// Time since which the collector has received reports without interruption.
#[derive(Debug, Clone, Default)]
pub(super) struct Listening {
    since_us: u64,
    last_us: u64,
}

snapshot!(struct Listening { since_us, last_us });

impl Listening {
    /// Time since which reports arrive.
    pub(super) fn since_us(&self) -> u64 {
        self.since_us
    }

    fn note(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.last_us) > AWAY_US {
            self.since_us = now_us;
        }
        self.last_us = self.last_us.max(now_us);
    }
}

/// Whether a request with this outcome shows that the peer is alive: the peer called, or responded.
#[must_use]
pub fn shows_alive(reporter: Reporter, outcome: &Outcome) -> bool {
    reporter == Reporter::Destination || outcome.response_code != 0 && outcome.response_flags == 0
}

impl AddressBook {
    /// Notes that the collector is running; to be called at least every few seconds.
    pub(super) fn note_listening(&mut self, now_us: u64) {
        self.listening.note(now_us);
    }

    /// Notes that another proxy reported a request with this proxy that [`shows_alive`]. The time
    /// counts in steps of [`ALIVE_STEP_US`], and a step with a report of the proxy itself needs no
    /// note: so it makes no difference how often a step is noted.
    pub fn note_alive(&mut self, proxy: &Text, now_us: u64) {
        let step_us = now_us - now_us % ALIVE_STEP_US;
        if let Some(known) = self.proxies.get_mut(proxy)
            && known.last_us < step_us
        {
            known.alive_us = known.alive_us.max(step_us);
            if known.alive_since_us == 0 {
                known.alive_since_us = step_us;
            }
        }
        self.hold(proxy, now_us);
    }

    /// Liveness of a proxy; `None` for an unknown one.
    #[must_use]
    pub fn liveness(&self, proxy: &str, now_us: u64) -> Option<Liveness> {
        let known = self.proxies.get(proxy)?;
        let idle_us = seconds_us(self.limits.quiet_s);
        let reported_us = known.last_us.max(self.listening.since_us);
        if now_us.saturating_sub(reported_us) <= idle_us {
            return Some(Liveness::Reporting);
        }
        let alive_since_due = known.alive_us > reported_us.saturating_add(idle_us);
        let alive_now = now_us.saturating_sub(known.alive_us) <= idle_us;
        // A pod with the address of one that has ended reports itself within a third of the time.
        let alive_long = known.alive_us.saturating_sub(known.alive_since_us) >= idle_us / REPORTS_PER_QUIET;
        Some(if alive_since_due && alive_now && alive_long { Liveness::NotReporting } else { Liveness::Idle })
    }

    /// Number of proxies with this liveness.
    #[must_use]
    pub fn count_by_liveness(&self, liveness: Liveness, now_us: u64) -> usize {
        let of = |proxy: &&Text| self.liveness(proxy, now_us) == Some(liveness);
        self.proxies.keys().filter(of).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AddressBook, Settings, shows_alive};
    use crate::batch::{Edge, Identity, Outcome, Reporter};

    /// Checks the liveness of one proxy after some events: `@10` it reports at second 10; `!11` its
    /// peer reports a request with it; `.12` the collector is running; `?30` its liveness is read.
    #[track_caller]
    fn check(events: &str, expected: &str) {
        let mut address_book = AddressBook::new(Settings { quiet_s: 10, ..Settings::default() });
        let identity = Identity { addresses: vec!["10.0.0.1".into()], ..Identity::default() };
        let mut edge = Edge { reporter: Reporter::Destination, ..Edge::default() };
        edge.peer.address = "10.0.0.1".into();
        let mut text = Vec::new();
        for event in events.split_whitespace() {
            let (kind, second) = event.split_at(1);
            let now_us = (1_000 + second.parse::<u64>().unwrap()) * 1_000_000;
            match kind {
                "@" => {
                    assert!(address_book.introduce(&"a".into(), identity.clone(), now_us));
                    address_book.reports(&"a".into(), now_us);
                    address_book.note_listening(now_us);
                }
                "!" => {
                    assert!(shows_alive(edge.reporter, &Outcome::default()));
                    let peer = address_book.peer_proxy(&identity, &edge).cloned();
                    if let Some(peer) = peer {
                        address_book.note_alive(&peer, now_us);
                    }
                }
                "." => address_book.expire(now_us),
                _ => text.push(address_book.liveness("a", now_us).map_or("unknown", |it| it.label())),
            }
        }
        assert_eq!(text.join(" "), expected);
    }

    #[test]
    fn a_proxy_without_reports_is_idle() {
        check("?0 @1 ?2 .8 ?11 .12 ?12 .20 ?60", "unknown reporting reporting idle idle");
    }

    #[test]
    fn a_proxy_whose_peers_report_requests_after_its_report_was_due_is_not_reporting() {
        check("@1 .8 !9 ?12 !13 ?13", "idle not_reporting");
        check("@1 .8 !9 !13 ?13 ?24", "not_reporting idle");
        check("@1 .8 !9 !13 ?13 @14 ?14", "not_reporting reporting");
        check("@1 .8 !9 .14 !18 .22 !26 .30 !34 ?34", "not_reporting");
    }

    #[test]
    fn a_proxy_whose_address_came_back_after_a_silence_is_not_found() {
        check("@1 .8 .13 !13 .17 !17 .21 !21 ?21", "idle");
        check("@1 .8 !9 .14 .20 !21 .25 !25 .29 !29 ?29", "idle");
    }

    #[test]
    fn reports_that_the_collector_missed_while_it_was_down_do_not_count() {
        check("@1 .100 !101 ?101 .108 !111 ?111 .112", "reporting not_reporting");
        check("@1 .8 .12 .100 !101 ?101 .108 !111 ?111 .112", "reporting idle");
    }
}
