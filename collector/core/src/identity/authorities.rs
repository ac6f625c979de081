//! Requested authorities that are no known service.
//!
//! In: authorities of requests without a route, which any client may choose, and the time. Out:
//! whether an authority is shown by its name. Invariant: at most `max` authorities are stored. While
//! the table is full, a further one is accepted once the least recently requested one has not been
//! requested for [`QUIET_US`].

use crate::batch::Text;
use crate::snapshot::codec::snapshot;
use std::collections::HashMap;

/// Time without a request after which an authority gives way to another one.
const QUIET_US: u64 = 3_600 * 1_000_000;

/// Stored authorities.
#[derive(Debug, Clone, Default)]
pub(super) struct Authorities {
    max: usize,
    /// Time of the last request for each authority.
    requested: HashMap<Text, u64>,
    rejected: u64,
    /// Time before which no authority can give way: the table is searched once in that time.
    full_until_us: u64,
}

snapshot!(state Authorities { requested, rejected } skip { max, full_until_us });

impl Authorities {
    pub(super) fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    /// Sets another limit. Stored authorities stay.
    pub(super) fn limit(&mut self, max: usize) {
        self.max = max;
        self.full_until_us = 0;
    }

    /// Notes a request, and returns whether the authority is shown by its name.
    pub(super) fn admit(&mut self, authority: &Text, now_us: u64) -> bool {
        if let Some(last_us) = self.requested.get_mut(authority) {
            *last_us = now_us.max(*last_us);
            return true;
        }
        if self.requested.len() < self.max || self.give_way(now_us) {
            self.requested.insert(authority.clone(), now_us);
            return true;
        }
        self.rejected = self.rejected.saturating_add(1);
        false
    }

    /// Removes authorities that were not requested since `since_us`. Returns whether there were
    /// any.
    pub(super) fn expire(&mut self, since_us: u64) -> bool {
        let before = self.requested.len();
        self.requested.retain(|_, last_us| *last_us >= since_us);
        self.requested.len() < before
    }

    /// Number of stored authorities.
    pub(super) fn len(&self) -> usize {
        self.requested.len()
    }

    /// Number of requests whose authority was not shown, because there were too many.
    pub(super) fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Removes the least recently requested authority, if that was long ago.
    fn give_way(&mut self, now_us: u64) -> bool {
        if self.max == 0 || now_us < self.full_until_us {
            return false;
        }
        let oldest = self.requested.iter().min_by_key(|(authority, last_us)| (**last_us, *authority));
        let Some((authority, last_us)) = oldest.map(|(authority, last_us)| (authority.clone(), *last_us))
        else {
            return false;
        };
        self.full_until_us = last_us.saturating_add(QUIET_US);
        let gives_way = self.full_until_us <= now_us;
        if gives_way {
            self.requested.remove(&authority);
        }
        gives_way
    }
}

#[cfg(test)]
mod tests {
    use super::Authorities;

    /// Checks the answers to requests `host@hour` with two places; `-3` expires authorities that
    /// were not requested since hour 3.
    #[track_caller]
    fn check(requests: &str, expected: &str) {
        let mut authorities = Authorities::new(2);
        let hour = |text: &str| text.parse::<u64>().unwrap() * 3_600_000_000;
        let mut answers = Vec::new();
        for request in requests.split(' ') {
            match request.split_once('@') {
                Some((host, at)) => answers.push(authorities.admit(&host.into(), hour(at)).to_string()),
                None => answers.push(format!("{} left", {
                    authorities.expire(hour(&request[1..]));
                    authorities.len()
                })),
            }
        }
        assert_eq!(answers.join(" "), expected);
    }

    #[test]
    fn an_authority_gives_its_place_back() {
        check("junk@1 scan@1 real@1 junk@1", "true true false true");
        check("junk@1 scan@1 real@26", "true true true");
        check("junk@1 scan@1 real@2 late@2 scan@3 late@3", "true true true true true true");
        check("junk@1 scan@2 -2 -3", "true true 1 left 0 left");
    }
}
