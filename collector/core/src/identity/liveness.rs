//! Who reports, who is quiet, and who is blind: serves traffic and tells nothing of it.
//!
//! In: who reported, who was met by others, and the time. Out: a [`Liveness`] for each proxy. Always holds: silence alone
//! accuses nobody, since a proxy may have ended; only one that others meet after it should long have spoken is blind. What
//! the collector missed while it was away itself counts against nobody.
//!
//! A filter that has trapped leaves its proxy working (`FAIL_OPEN`), and nobody there says so; the other ends of its calls do.

use super::AddressBook;
use crate::batch::{Outcome, Reporter, Text};
use crate::settings::seconds_us;

/// A gap between two signs of life of the mesh that says that the collector did not listen.
const AWAY_US: u64 = 10_000_000;

/// What a proxy does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Liveness {
    /// It reports.
    Reporting,
    /// It did not for longer than it may, and nobody meets it: it has ended, or its collector is another one.
    Idle,
    /// It did not, and others meet it: its filter is dead, or its reports do not arrive.
    NotReporting,
}

impl Liveness {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Reporting, Self::Idle, Self::NotReporting];

    /// As label `liveness` and the JSON API say it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Reporting => "reporting",
            Self::Idle => "quiet",
            Self::NotReporting => "blind",
        }
    }
}

/// When the collector began to listen, the last time.
#[derive(Debug, Clone, Default)]
pub(super) struct Listening {
    since_us: u64,
    last_us: u64,
}

impl Listening {
    fn note(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.last_us) > AWAY_US {
            self.since_us = now_us;
        }
        self.last_us = self.last_us.max(now_us);
    }
}

/// Whether a request that ended so shows that the other end is alive: it called, or it answered.
#[must_use]
pub fn shows_alive(reporter: Reporter, outcome: &Outcome) -> bool {
    reporter == Reporter::Destination || outcome.response_code != 0 && outcome.response_flags == 0
}

impl AddressBook {
    /// Notes that somebody listens; to be called at least every few seconds.
    pub(super) fn note_listening(&mut self, now_us: u64) {
        self.listening.note(now_us);
    }

    /// Somebody tells of a request that it had with this proxy, and that [`shows_alive`] says to show it alive.
    pub fn note_alive(&mut self, proxy: &str, now_us: u64) {
        if let Some(known) = self.proxies.get_mut(proxy) {
            known.alive_us = known.alive_us.max(now_us);
        }
    }

    /// What a proxy does at the moment; `None` for one that is not known.
    #[must_use]
    pub fn liveness(&self, proxy: &str, now_us: u64) -> Option<Liveness> {
        let known = self.proxies.get(proxy)?;
        let idle_us = seconds_us(self.limits.quiet_s);
        let heard_us = known.last_us.max(self.listening.since_us);
        if now_us.saturating_sub(heard_us) <= idle_us {
            return Some(Liveness::Reporting);
        }
        let met_late = known.alive_us > heard_us.saturating_add(idle_us);
        let met_now = now_us.saturating_sub(known.alive_us) <= idle_us;
        Some(if met_late && met_now { Liveness::NotReporting } else { Liveness::Idle })
    }

    /// How many proxies stand so.
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

    /// Events such as `a@10`: a reports at second 10; `a!11`: another proxy is met by a's callee; `?30`: what a does then.
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
                    let peer = address_book.peer_proxy(&edge).cloned().unwrap();
                    address_book.note_alive(&peer, now_us);
                }
                "." => address_book.note_listening(now_us),
                _ => text.push(address_book.liveness("a", now_us).map_or("unknown", |it| it.label())),
            }
        }
        assert_eq!(text.join(" "), expected);
    }

    #[test]
    fn silence_alone_accuses_nobody() {
        check("?0 @1 ?2 .8 ?11 .12 ?12 .20 ?60", "unknown reporting reporting quiet quiet");
    }

    #[test]
    fn who_is_met_after_it_should_have_spoken_is_blind() {
        check("@1 .8 !9 ?12 !13 ?13", "quiet blind");
        check("@1 .8 !13 ?13 ?24", "blind quiet");
        check("@1 .8 !13 ?13 @14 ?14", "blind reporting");
    }

    #[test]
    fn what_the_collector_missed_counts_against_nobody() {
        check("@1 .100 !101 ?101 .108 !111 ?111 .112", "reporting blind");
    }
}
