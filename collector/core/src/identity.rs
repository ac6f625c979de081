//! Address book of the mesh: resolves the peers of reported edges to workloads.
//!
//! In: identities that proxies report of themselves, and reported edges. Out: [`ResolvedEdge`]s.
//! Invariant: a peer is identified by the strongest evidence, and the edge states which; an address
//! does not identify a proxy whose certificate contradicts it; a service account identifies no
//! caller while other workloads of the account may not have reported yet; a proxy that has not
//! reported for long identifies no peer; every table is bounded.

pub mod authorize;
pub mod spiffe;
mod accounts;
mod resolve;
mod edge;
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
pub use liveness::{Liveness, shows_alive};
pub use pending::{Pending, PendingLimits, ReportedEdge};
pub use pending_caller::{PendingCaller, PendingCallers};
pub use services::ServiceName;
pub use settings::Settings;

use crate::batch::{Edge, Identity, Reporter, Text};
use crate::settings::seconds_us;
use crate::snapshot::codec::snapshot;
use accounts::{Accounts, may_present, spiffe};
use liveness::Listening;
use services::Services;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Clone)]
struct Proxy {
    identity: Arc<Identity>,
    last_us: u64,
    /// Time at which another proxy last reported a request that shows this proxy alive.
    alive_us: u64,
}

snapshot!(struct Proxy { identity, last_us, alive_us });

/// Identities of the proxies of the mesh, and the services that they call.
#[derive(Debug, Clone)]
pub struct AddressBook {
    limits: Settings,
    proxies: HashMap<Text, Proxy, foldhash::quality::RandomState>,
    /// Proxy that last reported an address as its own.
    addresses: HashMap<Text, Text>,
    accounts: Accounts,
    services: Services,
    listening: Listening,
    generation: u64,
}

snapshot!(state AddressBook { proxies, addresses } nested { accounts, services } skip {
    limits, listening, generation
});

impl AddressBook {
    /// Creates an empty address book.
    #[must_use]
    pub fn new(limits: Settings) -> Self {
        let services = Services::new(limits.services_max, limits.authorities_max);
        Self {
            limits,
            proxies: HashMap::default(),
            addresses: HashMap::new(),
            accounts: Accounts::default(),
            services,
            listening: Listening::default(),
            generation: 0,
        }
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
        if self.proxies.get(proxy).is_some_and(|known| *known.identity == identity) {
            return true;
        }
        if !self.proxies.contains_key(proxy) && self.proxies.len() >= self.limits.proxies_max {
            return false;
        }
        self.generation += 1;
        let before = self.proxies.get(proxy).map(|known| known.identity.clone());
        self.accounts.add(proxy, &identity, before.as_deref(), now_us);
        if let Some(before) = before {
            self.remove_addresses(proxy, &before);
        }
        for address in &identity.addresses {
            self.addresses.insert(address.clone(), proxy.clone());
        }
        self.proxies
            .insert(proxy.clone(), Proxy { identity: Arc::new(identity), last_us: now_us, alive_us: 0 });
        true
    }

    /// Notes a report of a proxy, and returns its identity; `None` when it is unknown.
    pub fn reports(&mut self, proxy: &Text, now_us: u64) -> Option<Arc<Identity>> {
        let known = self.proxies.get_mut(proxy)?;
        known.last_us = known.last_us.max(now_us);
        Some(known.identity.clone())
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

    /// Whether one more proxy is admitted.
    #[must_use]
    pub fn has_capacity(&self) -> bool {
        self.proxies.len() < self.limits.proxies_max
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

    /// Number of times that a requested authority was resolved to `other`, because there were too
    /// many.
    #[must_use]
    pub fn authorities_rejected(&self) -> u64 {
        self.services.rejected()
    }

    /// Removes proxies without a report for longer than the limit, and ends the learning time of
    /// service accounts.
    pub fn expire(&mut self, now_us: u64) {
        self.note_listening(now_us);
        if self.accounts.end_learning(now_us.saturating_sub(seconds_us(self.limits.account_learning_s))) {
            self.generation += 1;
        }
        let silent_since = now_us.saturating_sub(seconds_us(self.limits.silent_s_max));
        let silent = self.proxies.iter().filter(|(_, known)| known.last_us < silent_since);
        for proxy in silent.map(|(proxy, _)| proxy.clone()).collect::<Vec<_>>() {
            self.remove_proxy(&proxy);
        }
    }

    /// Learns a service and a workload that serves it from a reported edge.
    pub fn learn(&mut self, edge: &Edge, own: &Identity) {
        let (workload, version) = match edge.reporter {
            Reporter::Destination => (&own.workload, &own.version),
            _ if edge.peer.version.is_empty() => (&edge.peer.workload, &edge.peer.canonical_revision),
            _ => (&edge.peer.workload, &edge.peer.version),
        };
        if self.services.learn(&edge.service, workload, version) {
            self.generation += 1;
        }
    }

    /// Proxy of the peer of an edge, if its address is known and its certificate does not
    /// contradict.
    #[must_use]
    pub fn peer_proxy(&self, edge: &Edge) -> Option<&Text> {
        let proxy = self.addresses.get(&edge.peer.address)?;
        let known = self.proxies.get(proxy)?;
        may_present(&edge.peer.principal, &known.identity).then_some(proxy)
    }

    /// Proxy that last reported an address as its own.
    #[must_use]
    pub fn proxy_at(&self, address: &str) -> Option<&Text> {
        self.addresses.get(address)
    }

    fn remove_proxy(&mut self, proxy: &Text) {
        let Some(known) = self.proxies.remove(proxy) else { return };
        self.generation += 1;
        self.remove_addresses(proxy, &known.identity);
        self.accounts.remove(proxy, &known.identity);
    }

    fn remove_addresses(&mut self, proxy: &Text, identity: &Identity) {
        for address in &identity.addresses {
            if self.addresses.get(address) == Some(proxy) {
                self.addresses.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests;
