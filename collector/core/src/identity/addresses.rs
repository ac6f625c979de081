//! Addresses of proxies, by cluster.
//!
//! In: claims of addresses by proxies, and the end of a proxy's reports. Out: the proxy that holds
//! an address, and the one that waits for it. Invariant: an address changes hands only when its
//! holder gives it up, is gone, or has the same account as the claimant; two clusters with one range
//! of addresses do not share them; each address has at most [`CLUSTERS_MAX`] holders.

use crate::batch::{Identity, Text};
use crate::snapshot::codec::snapshot;
use std::collections::{BTreeMap, HashMap};

/// Clusters in which one address is held.
const CLUSTERS_MAX: usize = 16;

/// Claims of one address in one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claims {
    holder: Text,
    /// Proxy that claimed the address while its holder reported.
    waiting: Option<Text>,
}

snapshot!(struct Claims { holder, waiting });

/// Answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// The claimant holds the address.
    Held,
    /// The claimant holds the address, which this proxy held before.
    HeldAfter(Text),
    /// This proxy holds the address.
    HeldBy(Text),
    /// The address is held in too many clusters.
    Rejected,
}

/// Holders of addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses {
    by_address: HashMap<Text, BTreeMap<Text, Claims>>,
}

snapshot!(struct Addresses { by_address });

impl Addresses {
    /// Claims an address for a proxy. `gives_way`: whether a holder gives it up; `reports`: whether
    /// a proxy reports.
    pub(super) fn claim(
        &mut self,
        (cluster, address): (&Text, &Text),
        proxy: &Text,
        gives_way: impl Fn(&Text) -> bool,
        reports: impl Fn(&Text) -> bool,
    ) -> Claim {
        let clusters = self.by_address.entry(address.clone()).or_default();
        let count = clusters.len();
        let Some(claims) = clusters.get_mut(cluster) else {
            if count >= CLUSTERS_MAX {
                return Claim::Rejected;
            }
            clusters.insert(cluster.clone(), Claims { holder: proxy.clone(), waiting: None });
            return Claim::Held;
        };
        if claims.holder == *proxy {
            return Claim::Held;
        }
        if !gives_way(&claims.holder) {
            if !claims.waiting.as_ref().is_some_and(&reports) {
                claims.waiting = Some(proxy.clone());
            }
            return Claim::HeldBy(claims.holder.clone());
        }
        let before = std::mem::replace(&mut claims.holder, proxy.clone());
        claims.waiting = Some(before.clone()).filter(&reports);
        Claim::HeldAfter(before)
    }

    /// A holder does not report any more: the proxies that wait for its addresses hold them.
    /// Returns whether any did.
    pub(super) fn pass_on(
        &mut self,
        proxy: &Text,
        identity: &Identity,
        reports: impl Fn(&Text) -> bool,
    ) -> bool {
        let mut changed = false;
        for address in &identity.addresses {
            let claims = self.by_address.get_mut(address).and_then(|it| it.get_mut(&identity.cluster));
            if let Some(claims) = claims.filter(|claims| claims.holder == *proxy)
                && let Some(next) = claims.waiting.take().filter(&reports)
            {
                claims.holder = next;
                changed = true;
            }
        }
        changed
    }

    /// Removes the claims of a proxy that is gone or claims others.
    pub(super) fn remove(&mut self, proxy: &Text, identity: &Identity, reports: impl Fn(&Text) -> bool) {
        self.pass_on(proxy, identity, reports);
        for address in &identity.addresses {
            let Some(clusters) = self.by_address.get_mut(address) else { continue };
            if let Some(claims) = clusters.get_mut(&identity.cluster) {
                if claims.waiting.as_ref() == Some(proxy) {
                    claims.waiting = None;
                }
                if claims.holder == *proxy {
                    clusters.remove(&identity.cluster);
                }
            }
            if clusters.is_empty() {
                self.by_address.remove(address);
            }
        }
    }

    /// Returns the holder of an address in a cluster, and the proxy that waits for it.
    pub(super) fn holder(&self, cluster: &str, address: &str) -> Option<(&Text, Option<&Text>)> {
        let claims = self.by_address.get(address)?.get(cluster)?;
        Some((&claims.holder, claims.waiting.as_ref()))
    }

    /// Returns the holder of an address that is held in one cluster only.
    pub(super) fn only_holder(&self, address: &str) -> Option<&Text> {
        let clusters = self.by_address.get(address)?;
        clusters.values().next().filter(|_| clusters.len() == 1).map(|claims| &claims.holder)
    }

    /// Number of addresses with a holder.
    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }
}
