//! The address book: who reports under which address and certificate. It completes the edges that one proxy could tell
//! only in part.
//!
//! In: the identities that proxies tell of themselves, and edges as they were told. Out: [`ResolvedEdge`]s. Always holds: a
//! peer is named by the strongest evidence there is, and the edge says by which; an address names nobody whose
//! certificate contradicts it; a service account names no caller while others of it may not have said yet who they are; a
//! proxy that has long been silent names nobody; every table is bounded.

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
    /// When others told last of a request that they had with it.
    alive_us: u64,
}

snapshot!(struct Proxy { identity, last_us, alive_us });

/// All that is known of the proxies of the mesh.
#[derive(Debug, Clone)]
pub struct AddressBook {
    limits: Settings,
    proxies: HashMap<Text, Proxy, foldhash::quality::RandomState>,
    /// Who claimed an address last.
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
    /// An empty book.
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

    /// Grows whenever an edge may be completed in another way than before.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Other limits from now on. What the book holds it keeps.
    pub fn limit(&mut self, limits: Settings) {
        self.generation += 1;
        self.services.limit(limits.services_max, limits.authorities_max);
        self.limits = limits;
    }

    /// Notes who a proxy is; `false` when there is no room for another one.
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

    /// Who the proxy is that reports now; `None` when it did not say yet.
    pub fn reports(&mut self, proxy: &Text, now_us: u64) -> Option<Arc<Identity>> {
        let known = self.proxies.get_mut(proxy)?;
        known.last_us = known.last_us.max(now_us);
        Some(known.identity.clone())
    }

    /// Who a proxy is, and when it last reported, microseconds since the Unix epoch.
    #[must_use]
    pub fn known(&self, proxy: &str) -> Option<(&Identity, u64)> {
        let known = self.proxies.get(proxy)?;
        Some((&*known.identity, known.last_us))
    }

    /// Everybody who said who they are, in no order.
    pub fn identities(&self) -> impl Iterator<Item = (&Text, &Identity)> {
        self.proxies.iter().map(|(proxy, known)| (proxy, &*known.identity))
    }

    /// Whether there is room for one more proxy.
    #[must_use]
    pub fn has_capacity(&self) -> bool {
        self.proxies.len() < self.limits.proxies_max
    }

    /// Whether a proxy said who it is.
    #[must_use]
    pub fn contains(&self, proxy: &Text) -> bool {
        self.proxies.contains_key(proxy)
    }

    /// How many proxies it knows.
    #[must_use]
    pub fn proxies(&self) -> usize {
        self.proxies.len()
    }

    /// How many requested authorities found no room as names of their own.
    #[must_use]
    pub fn authorities_rejected(&self) -> u64 {
        self.services.rejected()
    }

    /// Forgets proxies that have long been silent, and trusts accounts that are known for long enough.
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

    /// Learns from an edge which services there are and who serves them.
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

    /// Which proxy the peer of an edge is, where its address tells and its certificate does not contradict.
    #[must_use]
    pub fn peer_proxy(&self, edge: &Edge) -> Option<&Text> {
        let proxy = self.addresses.get(&edge.peer.address)?;
        let known = self.proxies.get(proxy)?;
        may_present(&edge.peer.principal, &known.identity).then_some(proxy)
    }

    /// Which proxy claimed an address last.
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
