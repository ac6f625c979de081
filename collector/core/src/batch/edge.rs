//! Edge of the service graph as one proxy reported it.
//!
//! Invariant: an unknown text is empty.

use crate::snapshot::codec::snapshot;
use crate::text::Text;

/// Side of the call that reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reporter {
    /// The caller's proxy; the peer is the destination.
    #[default]
    Source,
    /// The called proxy; the peer is the source.
    Destination,
    /// An Istio waypoint; the peer is the destination.
    Waypoint,
}

snapshot!(enum Reporter { 1 = Source, 2 = Destination, 3 = Waypoint });

impl Reporter {
    /// Returns the value of Istio's label `reporter`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Waypoint => "waypoint",
        }
    }
}

/// Source → destination with the requested service, as far as one proxy knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Side of the call that reports.
    pub reporter: Reporter,
    /// Other side of the call.
    pub peer: Peer,
    /// URI SAN of the proxy's own certificate.
    pub local_principal: Text,
    /// Whether both sides presented a certificate.
    pub mutual_tls: bool,
    /// Requested destination service.
    pub service: Service,
}

snapshot!(struct Edge { reporter, peer, local_principal, mutual_tls, service });

/// Other side of an edge. An unknown text is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Workload.
    pub workload: Text,
    /// Namespace of the workload.
    pub namespace: Text,
    /// Label `app`.
    pub app: Text,
    /// Label `version`.
    pub version: Text,
    /// Canonical service.
    pub canonical_service: Text,
    /// Canonical revision.
    pub canonical_revision: Text,
    /// Cluster.
    pub cluster: Text,
    /// Address without port.
    pub address: Text,
    /// URI SAN of the peer's certificate.
    pub principal: Text,
}

snapshot!(struct Peer {
    workload, namespace, app, version, canonical_service, canonical_revision, cluster, address, principal,
});

/// Requested destination service. An unknown text is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Service {
    /// Host, such as `payments.shop.svc.cluster.local`.
    pub host: Text,
    /// Short name.
    pub name: Text,
    /// Namespace.
    pub namespace: Text,
    /// Subset of the `DestinationRule`.
    pub subset: Text,
    /// Source of the host name.
    pub evidence: Evidence,
}

snapshot!(struct Service { host, name, namespace, subset, evidence });

/// Source of a service's host name, from which its reliability follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// Not reported.
    #[default]
    None,
    /// Upstream cluster that Envoy selected.
    Cluster,
    /// TLS server name.
    Sni,
    /// Requested authority, which the client controls.
    Authority,
}

snapshot!(enum Evidence { 0 = None, 1 = Cluster, 2 = Sni, 3 = Authority });
