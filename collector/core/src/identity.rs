//! Address book of the mesh: resolves the peers of reported edges to workloads.
//!
//! In: identities that proxies report of themselves, and reported edges. Out: [`ResolvedEdge`]s.
//! Invariant: a peer is identified by the strongest evidence, and the edge states which; an address
//! identifies its holder only while the holder is known to live, or with a certificate or metadata
//! that agree, and only in the holder's cluster; a service account identifies no caller while other
//! workloads of the account may not have reported yet; every table is bounded, and a full one gives
//! up the longest silent entry.

pub mod authorize;
pub mod spiffe;
mod trust;
mod accounts;
mod addresses;
mod proxy;
mod holders;
mod resolve;
mod edge;
mod authorities;
mod services;
mod liveness;
mod edge_table;
mod pending_caller;
mod pending;
pub(crate) mod metrics;
mod settings;
mod unknown;

pub use edge::{End, Evidence, ResolvedEdge, Security};
pub(crate) use edge_table::RESTORED_ID_MAX;
pub use edge_table::{EdgeId, EdgeTable};
pub use liveness::{ALIVE_STEP_US, Liveness, shows_alive};
pub use pending::{Pending, PendingLimits, ReportedEdge};
pub use pending_caller::{PendingCaller, PendingCallers};
pub use services::ServiceName;
pub use settings::Settings;

use crate::batch::{Edge, Identity, Reporter, Text};
use crate::eviction::Eviction;
use crate::settings::seconds_us;
use crate::snapshot::codec::snapshot;
use accounts::Accounts;
use addresses::{Addresses, Claim};
use holders::SilenceTimers;
use liveness::Listening;
use proxy::Proxy;
use services::Services;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// Time after which all edges are resolved again: a third of the time after which an authority may
/// give way.
const REFRESH_US: u64 = 20 * 60 * 1_000_000;
use trust::TrustDomains;

type Proxies = HashMap<Text, Proxy, foldhash::quality::RandomState>;

/// Identities of the proxies of the mesh, and the services that they call.
#[derive(Debug, Clone)]
pub struct AddressBook {
    limits: Settings,
    proxies: Proxies,
    addresses: Addresses,
    accounts: Accounts,
    domains: TrustDomains,
    services: Services,
    listening: Listening,
    /// Order in which proxies leave a full table.
    eviction: Eviction<Text>,
    timers: SilenceTimers,
    /// Latest time of a report or tick.
    now_us: u64,
    /// Time at which all edges were last resolved again, so that services in use stay known.
    refreshed_us: u64,
    generation: u64,
}

snapshot!(state AddressBook { proxies, addresses, domains, listening, now_us, refreshed_us } nested { services } skip {
    limits, accounts, eviction, timers, generation
});

impl AddressBook {
    /// Creates an empty address book.
    #[must_use]
    pub fn new(limits: Settings) -> Self {
        let services = Services::new(limits.services_max, limits.authorities_max);
        Self {
            limits,
            proxies: HashMap::default(),
            addresses: Addresses::default(),
            accounts: Accounts::default(),
            domains: TrustDomains::default(),
            services,
            listening: Listening::default(),
            eviction: Eviction::default(),
            timers: SilenceTimers::default(),
            now_us: 0,
            refreshed_us: 0,
            generation: 0,
        }
    }

    /// Builds the indexes of the proxies of a snapshot.
    pub(crate) fn rebuild(&mut self) {
        let Self { proxies, accounts, eviction, timers, .. } = self;
        for (name, known) in &*proxies {
            accounts.add(&known.identity);
            if known.is_held {
                accounts.begin_reporting(&known.identity, 0);
                timers.push(Reverse((known.timer_us, name.clone())));
            }
            eviction.insert(name, &known.owner, known.last_us, |key| proxies.get(key).map(Proxy::standing));
        }
        accounts.end_all_learning();
    }

    /// Latest time of a report or tick, microseconds since the Unix epoch.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Number of changes after which an edge may be resolved differently.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Sets other limits. Proxies and services that are known stay.
    pub fn limit(&mut self, limits: Settings) {
        self.generation += 1;
        self.services.limit(limits.services_max, limits.authorities_max);
        self.limits = limits;
    }

    /// Sets the identity of a proxy. Returns `false` when there are too many proxies.
    pub fn introduce(&mut self, proxy: &Text, identity: Identity, now_us: u64) -> bool {
        self.now_us = self.now_us.max(now_us);
        if self.proxies.get(proxy).is_some_and(|known| *known.identity == identity) {
            return true;
        }
        if !self.proxies.contains_key(proxy) && self.proxies.len() >= self.limits.proxies_max {
            let Some(victim) = self.victim(&identity, now_us) else { return false };
            self.eviction.count_evicted();
            self.remove_proxy(&victim);
        }
        self.generation += 1;
        let before = self.remove_proxy_but(proxy, &identity);
        let mut known = Proxy::new(identity, now_us);
        known.reports = before.map_or(0, |before| before.reports);
        let (identity, owner) = (known.identity.clone(), known.owner.clone());
        self.proxies.insert(proxy.clone(), known);
        let proxies = &self.proxies;
        self.eviction.insert(proxy, &owner, now_us, |key| proxies.get(key).map(Proxy::standing));
        self.accounts.add(&identity);
        self.hold(proxy, now_us);
        identity.addresses.iter().for_each(|address| self.claim(proxy, &identity, address));
        true
    }

    /// Notes a report of a proxy, and returns its identity; `None` when it is unknown.
    pub fn reports(&mut self, proxy: &Text, now_us: u64) -> Option<Arc<Identity>> {
        self.now_us = self.now_us.max(now_us);
        let known = self.proxies.get_mut(proxy)?;
        known.last_us = known.last_us.max(now_us);
        known.reports = known.reports.saturating_add(1);
        known.alive_since_us = 0;
        let identity = known.identity.clone();
        if std::mem::take(&mut known.is_contested) {
            self.generation += 1;
        }
        self.hold(proxy, now_us);
        Some(identity)
    }

    /// Account of a proxy with this identity, by which tables are shared.
    #[must_use]
    pub fn owner(&self, proxy: &Text, identity: Option<&Identity>) -> Text {
        match identity {
            Some(identity) => proxy::owner_of(identity),
            None => self.proxies.get(proxy).map_or_else(Text::default, |known| known.owner.clone()),
        }
    }

    /// Identity of a proxy, and the time of its last report, microseconds since the Unix epoch.
    #[must_use]
    pub fn known(&self, proxy: &str) -> Option<(&Identity, u64)> {
        let known = self.proxies.get(proxy)?;
        Some((&*known.identity, known.last_us))
    }

    /// Proxies with a known identity, in no order.
    pub fn identities(&self) -> impl Iterator<Item = (&Text, &Identity)> {
        self.proxies.iter().map(|(proxy, known)| (proxy, &*known.identity))
    }

    /// Whether one more proxy, with this identity, is admitted.
    pub fn admits(&mut self, identity: &Identity, now_us: u64) -> bool {
        self.proxies.len() < self.limits.proxies_max || self.victim(identity, now_us).is_some()
    }

    /// Whether the identity of a proxy is known.
    #[must_use]
    pub fn contains(&self, proxy: &Text) -> bool {
        self.proxies.contains_key(proxy)
    }

    /// Number of proxies with a known identity.
    #[must_use]
    pub fn proxies(&self) -> usize {
        self.proxies.len()
    }

    /// Number of proxies that left for others because there were too many.
    #[must_use]
    pub fn proxies_evicted(&self) -> u64 {
        self.eviction.evicted()
    }

    /// Number of times that a requested authority was resolved to `other`, because there were too
    /// many.
    #[must_use]
    pub fn authorities_rejected(&self) -> u64 {
        self.services.authorities_rejected()
    }

    /// Removes proxies, services and authorities without a report for longer than the limit, and
    /// ends the learning time of service accounts.
    pub fn expire(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
        self.note_listening(now_us);
        self.release_silent(now_us);
        if self.accounts.end_learning(now_us.saturating_sub(seconds_us(self.limits.account_learning_s))) {
            self.generation += 1;
        }
        let silent_us_max = seconds_us(self.limits.silent_s_max);
        let silent_since = now_us.saturating_sub(silent_us_max);
        while let Some(proxy) = self.silent_before(silent_since) {
            self.remove_proxy(&proxy);
        }
        // Edges in the cache do not report their services and authorities, so all are resolved again
        // before these expire.
        if now_us.saturating_sub(self.refreshed_us) >= REFRESH_US.min(silent_us_max / 4) {
            self.refreshed_us = now_us;
            self.generation += 1;
            self.services.expire(silent_since);
        }
    }

    /// Learns a service and a workload that serves it from a reported edge.
    pub fn learn(&mut self, edge: &Edge, own: &Identity) {
        let (workload, version, revision) = match edge.reporter {
            Reporter::Destination => (&own.workload, &own.version, &own.canonical_revision),
            _ => (&edge.peer.workload, &edge.peer.version, &edge.peer.canonical_revision),
        };
        let version = unknown::version_of(version, revision);
        let refreshed_us = self.refreshed_us();
        let is_new_service = self.services.learn(&edge.service, workload, version, refreshed_us);
        if self.domains.learn(&own.cluster, &edge.local_principal) || is_new_service {
            self.generation += 1;
        }
    }

    /// Time of the last refresh. Whatever a resolution shows as in use has this time, so that it
    /// does not matter which edges are in the edge cache.
    fn refreshed_us(&mut self) -> u64 {
        if self.refreshed_us == 0 {
            self.refreshed_us = self.now_us;
        }
        self.refreshed_us
    }

    /// Returns the proxy that leaves a full table for one more with this identity.
    fn victim(&mut self, identity: &Identity, now_us: u64) -> Option<Text> {
        let owner = proxy::owner_of(identity);
        let silent_since = now_us.saturating_sub(seconds_us(self.limits.quiet_s));
        let proxies = &self.proxies;
        self.eviction.victim(&owner, silent_since, |key| proxies.get(key).map(Proxy::standing))
    }

    /// Returns the longest silent proxy, if it has not reported since `since_us`.
    fn silent_before(&mut self, since_us: u64) -> Option<Text> {
        let proxies = &self.proxies;
        let first = self.eviction.longest_silent(|key| proxies.get(key).map(Proxy::standing));
        first.filter(|(last_us, _)| *last_us < since_us).map(|(_, proxy)| proxy)
    }

    fn remove_proxy(&mut self, proxy: &Text) -> Option<Proxy> {
        self.remove_proxy_but(proxy, &Identity::default())
    }

    /// Removes a proxy, except for its addresses that `next`, its next identity, has as well.
    fn remove_proxy_but(&mut self, proxy: &Text, next: &Identity) -> Option<Proxy> {
        let known = self.proxies.remove(proxy)?;
        self.generation += 1;
        self.eviction.remove(&known.owner);
        let mut given_up = (*known.identity).clone();
        let stays =
            |address: &Text| known.identity.cluster == next.cluster && next.addresses.contains(address);
        given_up.addresses.retain(|address| !stays(address));
        let proxies = &self.proxies;
        self.addresses.remove(proxy, &given_up, |name| proxies.get(name).is_some_and(|it| it.is_held));
        if known.is_held {
            self.accounts.end_reporting(&known.identity);
        }
        self.accounts.remove(&known.identity);
        Some(known)
    }
}

#[cfg(test)]
mod tests;
