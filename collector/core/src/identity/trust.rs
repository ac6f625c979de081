//! Trust domains of the clusters, and SPIFFE ids of Istio's form.
//!
//! In: certificates that proxies report of themselves. Out: whether a certificate may be of a
//! cluster. Invariant: a cluster without a known trust domain, or with more than [`DOMAINS_MAX`],
//! excludes no certificate; at most [`CLUSTERS_MAX`] clusters are stored.

use crate::batch::{Identity, Text};
use crate::snapshot::codec::snapshot;
use std::collections::{BTreeMap, BTreeSet};

/// Trust domains of one cluster: Istio has one, and two during a migration.
const DOMAINS_MAX: usize = 4;
/// Clusters of a mesh.
const CLUSTERS_MAX: usize = 1_000;

/// Parts of `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpiffeId<'a> {
    pub(super) trust_domain: &'a str,
    pub(super) namespace: &'a str,
    pub(super) service_account: &'a str,
}

impl<'a> SpiffeId<'a> {
    /// Reads an id; `None` for one of another form.
    pub(super) fn parse(principal: &'a str) -> Option<Self> {
        let (trust_domain, path) = principal.strip_prefix("spiffe://")?.split_once('/')?;
        let (namespace, service_account) = path.strip_prefix("ns/")?.split_once("/sa/")?;
        Some(Self { trust_domain, namespace, service_account })
    }
}

/// Trust domains by cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct TrustDomains {
    by_cluster: BTreeMap<Text, BTreeSet<Text>>,
}

snapshot!(struct TrustDomains { by_cluster });

impl TrustDomains {
    /// Learns the trust domain of a cluster from a certificate of one of its proxies. Returns
    /// whether it is new.
    pub(super) fn learn(&mut self, cluster: &Text, principal: &str) -> bool {
        let Some(SpiffeId { trust_domain, .. }) = SpiffeId::parse(principal) else { return false };
        let is_known = self.by_cluster.contains_key(cluster);
        if cluster.is_empty() || (!is_known && self.by_cluster.len() >= CLUSTERS_MAX) {
            return false;
        }
        let domains = self.by_cluster.entry(cluster.clone()).or_default();
        domains.len() <= DOMAINS_MAX && !domains.contains(trust_domain) && domains.insert(trust_domain.into())
    }

    /// Whether a certificate of a trust domain may be of a cluster.
    pub(super) fn may_be(&self, cluster: &str, trust_domain: &str) -> bool {
        let excludes =
            |domains: &BTreeSet<Text>| domains.len() <= DOMAINS_MAX && !domains.contains(trust_domain);
        !self.by_cluster.get(cluster).is_some_and(excludes)
    }

    /// Whether a proxy may present this SPIFFE id. An id of another form, or none, excludes no
    /// proxy.
    pub(super) fn may_present(&self, principal: &str, identity: &Identity) -> bool {
        SpiffeId::parse(principal)
            .is_none_or(|id| identity.service_account.is_empty() || self.is_of(&id, identity))
    }

    /// Whether a SPIFFE id is that of a proxy's service account.
    pub(super) fn presents(&self, principal: &str, identity: &Identity) -> bool {
        SpiffeId::parse(principal).is_some_and(|id| self.is_of(&id, identity))
    }

    fn is_of(&self, id: &SpiffeId<'_>, identity: &Identity) -> bool {
        id.namespace == &*identity.namespace
            && id.service_account == &*identity.service_account
            && self.may_be(&identity.cluster, id.trust_domain)
    }
}

#[cfg(test)]
mod tests {
    use super::TrustDomains;
    use crate::batch::Identity;

    /// Checks whether a proxy of account a in namespace n and cluster c may present `principal`,
    /// after certificates of these trust domains in that cluster.
    #[track_caller]
    fn check(domains: &str, principal: &str, expected: bool) {
        let mut known = TrustDomains::default();
        for domain in domains.split_whitespace() {
            known.learn(&"c".into(), &format!("spiffe://{domain}/ns/x/sa/y"));
        }
        let identity = Identity {
            namespace: "n".into(),
            service_account: "a".into(),
            cluster: "c".into(),
            ..Identity::default()
        };
        assert_eq!(known.may_present(principal, &identity), expected, "{domains}: {principal}");
    }

    #[test]
    fn a_certificate_of_another_account_or_trust_domain_is_not_of_a_proxy() {
        check("", "spiffe://td/ns/n/sa/a", true);
        check("", "spiffe://td/ns/n/sa/b", false);
        check("td", "spiffe://td/ns/n/sa/a", true);
        check("td", "spiffe://other/ns/n/sa/a", false);
        check("td other", "spiffe://other/ns/n/sa/a", true);
        check("td", "spiffe://other/another/form", true);
        check("td", "", true);
        // More domains than a mesh has are no evidence.
        check("a b c d e", "spiffe://td/ns/n/sa/a", true);
    }
}
