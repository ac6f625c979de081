//! Addresses as evidence: which proxy an address identifies.
//!
//! In: reports, silences and claims of proxies, and edges. Out: the proxy of the peer of an edge.
//! Invariant: an address identifies its holder only while the holder is known to live, or with a
//! certificate or metadata that agree; a claim by another account waits until the holder is silent,
//! and meanwhile the address alone identifies neither, until the holder reports again; an address
//! of another cluster needs a certificate that agrees.
//!
//! A proxy is known to live for `quiet_s` after its last report, and after each request with it
//! that another proxy reports meanwhile. So a filter that has failed in a working pod is still
//! found, and the address of a pod that has ended is free.

use super::{AddressBook, Claim, Proxy};
use crate::batch::{Edge, Identity, Peer, Text};
use crate::settings::seconds_us;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Times at which proxies may fall silent. A proxy has one valid entry, whose time is put off when
/// it is reached.
pub(super) type SilenceTimers = BinaryHeap<Reverse<(u64, Text)>>;

impl AddressBook {
    /// A proxy is known to live.
    pub(super) fn hold(&mut self, proxy: &Text, now_us: u64) {
        let Some(known) = self.proxies.get_mut(proxy).filter(|known| !known.is_held) else { return };
        known.is_held = true;
        self.generation += 1;
        self.accounts.begin_reporting(&known.identity, now_us);
        self.watch(proxy);
    }

    /// Starts the timer of a proxy.
    pub(super) fn watch(&mut self, proxy: &Text) {
        let (since_us, quiet_us) = (self.listening.since_us(), seconds_us(self.limits.quiet_s));
        if let Some(known) = self.proxies.get_mut(proxy) {
            known.timer_us = silent_at(known, since_us, quiet_us);
            self.timers.push(Reverse((known.timer_us, proxy.clone())));
        }
    }

    /// Releases the proxies that are not known to live any more: their addresses and accounts.
    pub(super) fn release_silent(&mut self, now_us: u64) {
        let (since_us, quiet_us) = (self.listening.since_us(), seconds_us(self.limits.quiet_s));
        while let Some(Reverse((due_us, _))) = self.timers.peek()
            && *due_us < now_us
            && let Some(Reverse((due_us, proxy))) = self.timers.pop()
        {
            let is_valid = |known: &&mut Proxy| known.is_held && known.timer_us == due_us;
            let Some(known) = self.proxies.get_mut(&proxy).filter(is_valid) else { continue };
            let silent_us = silent_at(known, since_us, quiet_us);
            if silent_us >= now_us {
                known.timer_us = silent_us;
                self.timers.push(Reverse((silent_us, proxy)));
            } else {
                self.release(&proxy);
            }
        }
    }

    fn release(&mut self, proxy: &Text) {
        let Some(known) = self.proxies.get_mut(proxy) else { return };
        known.is_held = false;
        known.is_contested = false;
        let identity = known.identity.clone();
        self.generation += 1;
        self.accounts.end_reporting(&identity);
        let proxies = &self.proxies;
        self.addresses.pass_on(proxy, &identity, |name| proxies.get(name).is_some_and(|it| it.is_held));
    }

    /// Claims an address for a proxy that begins to report.
    pub(super) fn claim(&mut self, proxy: &Text, identity: &Identity, address: &Text) {
        let Self { proxies, addresses, .. } = self;
        let reports = |name: &Text| proxies.get(name).is_some_and(|known| known.is_held);
        let account = |of: &Identity| (of.namespace.clone(), of.service_account.clone());
        let gives_way = |holder: &Text| {
            let known = proxies.get(holder).filter(|known| known.is_held);
            known.is_none_or(|known| account(&known.identity) == account(identity))
        };
        match addresses.claim((&identity.cluster, address), proxy, gives_way, reports) {
            Claim::Held | Claim::Rejected => {}
            // The pod that held it may have ended, so no request shows that pod alive any more.
            Claim::HeldAfter(holder) => {
                if let Some(known) = self.proxies.get_mut(&holder) {
                    known.alive_us = 0;
                    known.alive_since_us = 0;
                }
            }
            Claim::HeldBy(holder) => {
                if let Some(known) = self.proxies.get_mut(&holder) {
                    known.is_contested = true;
                }
            }
        }
    }

    /// Proxy of the peer of an edge that a proxy with the identity `own` reported.
    #[must_use]
    pub fn peer_proxy(&self, own: &Identity, edge: &Edge) -> Option<&Text> {
        self.peer_by_address(&own.cluster, edge).map(|(proxy, _)| proxy)
    }

    pub(super) fn peer_by_address(&self, own_cluster: &str, edge: &Edge) -> Option<(&Text, &Proxy)> {
        let Peer { address, principal, cluster, .. } = &edge.peer;
        if address.is_empty() {
            return None;
        }
        let cluster = if cluster.is_empty() { own_cluster } else { cluster };
        let presents = |known: &&Proxy| self.domains.presents(principal, &known.identity);
        let Some((holder, waiting)) = self.addresses.holder(cluster, address) else {
            let (holder, known) = self.proxies.get_key_value(self.addresses.only_holder(address)?)?;
            let agrees = known.is_held
                && (presents(&known) || cluster.is_empty() || known.identity.cluster.is_empty());
            let may_present = self.domains.may_present(principal, &known.identity);
            return (agrees && may_present).then_some((holder, known));
        };
        let known = self.proxies.get(holder)?;
        if self.domains.may_present(principal, &known.identity) {
            let is_known_to_live = known.is_held && !known.is_contested;
            let agrees = is_known_to_live || presents(&known) || is_described(&edge.peer, &known.identity);
            return agrees.then_some((holder, known));
        }
        let waiting = waiting?;
        let known = self.proxies.get(waiting).filter(|known| known.is_held)?;
        presents(&known).then_some((waiting, known))
    }

    /// Whether an address alone identifies a proxy of a cluster.
    pub(super) fn identifies(&self, cluster: &str, address: &str) -> bool {
        let holder = self.addresses.holder(cluster, address).map(|(holder, _)| holder);
        let known = holder.and_then(|holder| self.proxies.get(holder));
        known.is_some_and(|known| known.is_held && !known.is_contested)
    }

    /// Proxy that holds an address, if proxies of one cluster only hold it.
    #[must_use]
    pub fn proxy_at(&self, address: &str) -> Option<&Text> {
        self.addresses.only_holder(address)
    }
}

/// Time until which a proxy is known to live. `since_us`: time since which reports arrive.
fn silent_at(known: &Proxy, since_us: u64, quiet_us: u64) -> u64 {
    known.last_us.max(known.alive_us).max(since_us).saturating_add(quiet_us)
}

/// Whether the metadata of a peer from the control plane describes a proxy.
pub(super) fn is_described(peer: &Peer, identity: &Identity) -> bool {
    let revision = &peer.canonical_revision;
    !peer.workload.is_empty()
        && identity.namespace == peer.namespace
        && [&identity.workload, &identity.app].contains(&&peer.workload)
        && (revision.is_empty() || [&identity.canonical_revision, &identity.version].contains(&revision))
}
