//! Resolution of edges: identifies the peer of a reported edge.
//!
//! In: an edge as one proxy reported it, and the address book. Out: a [`ResolvedEdge`], and whether
//! its evidence may improve later. Invariant: the strongest evidence identifies a peer; an address
//! does not identify a proxy whose certificate contradicts it; a certificate identifies no caller
//! while its account is new, except in a final resolution.

use super::accounts::CommonLabels;
use super::holders::is_described;
use super::trust::SpiffeId;
use super::unknown::{UNKNOWN, known};
use super::{AddressBook, End, Evidence, ResolvedEdge, Security, ServiceName};
use crate::batch::{self, Edge, Identity, Reporter, Text};
use std::sync::Arc;

impl AddressBook {
    /// Resolves an edge that the proxy with the identity `own` reported.
    pub fn resolve(&mut self, own: &Identity, edge: &Edge) -> ResolvedEdge {
        self.resolve_trusting(false, own, edge)
    }

    /// Resolves an edge that is not resolved again: the known proxies of a new account stand for
    /// all of its proxies.
    pub fn resolve_final(&mut self, own: &Identity, edge: &Edge) -> ResolvedEdge {
        self.resolve_trusting(true, own, edge)
    }

    fn resolve_trusting(&mut self, trusts_new: bool, own: &Identity, edge: &Edge) -> ResolvedEdge {
        let refreshed_us = self.refreshed_us();
        let service = self.services.name(&edge.service, &own.namespace, refreshed_us);
        let own_end = End::of_identity(own, &edge.local_principal);
        let (mut peer_end, mut evidence) = self.peer(own, edge, trusts_new);
        if evidence == Evidence::None && edge.reporter != Reporter::Destination {
            evidence = self.intended(&mut peer_end, edge, &service);
        }
        let (source, destination) =
            if edge.reporter == Reporter::Destination { (peer_end, own_end) } else { (own_end, peer_end) };
        ResolvedEdge {
            reporter: edge.reporter,
            source: Arc::new(source),
            destination: Arc::new(destination),
            service: Arc::new(service),
            security: security(edge),
            evidence,
        }
    }

    /// Resolves an edge that a destination reported, with a calling proxy that the join inferred.
    pub fn resolve_with_caller(&mut self, own: &Identity, edge: &Edge, caller: &Text) -> ResolvedEdge {
        let mut resolved = self.resolve_final(own, edge);
        if resolved.evidence <= Evidence::Certificate
            && let Some(known) = self.proxies.get(caller)
            && self.domains.may_present(&edge.peer.principal, &known.identity)
        {
            let caller = End::of_identity(&known.identity, &edge.peer.principal);
            if resolved.evidence == Evidence::None || !resolved.source.may_be(&caller) {
                resolved.source = Arc::new(caller);
                resolved.evidence = Evidence::Joined;
            }
        }
        resolved
    }

    /// Whether only a record of the calling proxy can identify the caller of a request.
    #[must_use]
    pub fn needs_caller(&self, edge: &Edge, resolved: &ResolvedEdge) -> bool {
        edge.reporter == Reporter::Destination
            && resolved.evidence == Evidence::None
            && edge.peer.address.is_empty()
    }

    /// Whether the evidence of an edge may improve when the identities of more proxies are known.
    #[must_use]
    pub fn may_improve(&self, edge: &Edge, resolved: &ResolvedEdge) -> bool {
        if edge.reporter != Reporter::Destination || resolved.evidence >= Evidence::Address {
            return false;
        }
        let (address, cluster) = (&edge.peer.address, &resolved.destination.cluster);
        let cluster = if *cluster == *UNKNOWN { "" } else { cluster };
        (!address.is_empty() && !self.identifies(cluster, address))
            || (!edge.peer.principal.is_empty() && resolved.evidence == Evidence::None)
    }

    fn peer(&self, own: &Identity, edge: &Edge, trusts_new: bool) -> (End, Evidence) {
        let peer = &edge.peer;
        let by_address = self.peer_by_address(&own.cluster, edge).map(|(_, known)| &*known.identity);
        let mut end = End::of_peer(peer);
        if !peer.workload.is_empty() {
            // The control plane's metadata of an endpoint lacks labels; its own proxy reports them.
            if let Some(identity) = by_address.filter(|identity| is_described(peer, identity)) {
                end.complete(identity);
            }
            return (end, Evidence::Metadata);
        }
        if let Some(identity) = by_address {
            return (End::of_identity(identity, &peer.principal), Evidence::Address);
        }
        let trusts_new = trusts_new || edge.reporter != Reporter::Destination;
        let common = self.by_account(&peer.principal, trusts_new);
        if common.is_some_and(|common| end.agreed(common)) {
            (end, Evidence::Certificate)
        } else {
            (end, Evidence::None)
        }
    }

    /// Fills in the intended destination of requests that reached no endpoint.
    fn intended(&self, peer_end: &mut End, edge: &Edge, service: &ServiceName) -> Evidence {
        if edge.service.host.is_empty() {
            return Evidence::None;
        }
        peer_end.workload = known(self.services.only_server(&service.host).unwrap_or(&service.name));
        peer_end.namespace = known(&service.namespace);
        peer_end.version = known(&self.services.version_of(&edge.service));
        if edge.service.evidence == batch::Evidence::Authority {
            Evidence::Authority
        } else {
            Evidence::Service
        }
    }

    fn by_account(&self, principal: &str, trusts_new: bool) -> Option<CommonLabels> {
        let (common, is_new) = self.accounts.of(&SpiffeId::parse(principal)?, &self.domains)?;
        (trusts_new || !is_new).then_some(common)
    }
}

/// Returns the value of Istio's label `connection_security_policy`: only a destination reports it.
fn security(edge: &Edge) -> Security {
    match (edge.reporter, edge.mutual_tls) {
        (Reporter::Destination, true) => Security::MutualTls,
        (Reporter::Destination, false) => Security::None,
        _ => Security::Unknown,
    }
}
