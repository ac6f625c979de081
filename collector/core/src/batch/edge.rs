//! An edge as one proxy told it.
//!
//! In: nothing; these are words. Out: the same to every room. Always holds: what is not known is empty.

use super::Text;
use crate::snapshot::codec::snapshot;

/// Which side of the call tells.
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
    /// As Istio's label `reporter` says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Waypoint => "waypoint",
        }
    }
}

/// source → destination with the service that was meant, as far as one proxy could tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Which side tells.
    pub reporter: Reporter,
    /// The other side.
    pub peer: Peer,
    /// URI SAN of the proxy's own certificate.
    pub local_principal: Text,
    /// Whether both sides presented a certificate.
    pub mutual_tls: bool,
    /// The destination service that was meant.
    pub service: Service,
}

snapshot!(struct Edge { reporter, peer, local_principal, mutual_tls, service });

/// The other side of an edge. What is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its workload.
    pub workload: Text,
    /// Its namespace.
    pub namespace: Text,
    /// Its label `app`.
    pub app: Text,
    /// Its label `version`.
    pub version: Text,
    /// Its canonical service.
    pub canonical_service: Text,
    /// Its canonical revision.
    pub canonical_revision: Text,
    /// Its cluster.
    pub cluster: Text,
    /// Its address without port.
    pub address: Text,
    /// URI SAN of its certificate.
    pub principal: Text,
}

snapshot!(struct Peer {
    workload, namespace, app, version, canonical_service, canonical_revision, cluster, address, principal,
});

/// The destination service that was meant. What is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Service {
    /// Host, such as `payments.shop.svc.cluster.local`.
    pub host: Text,
    /// Short name.
    pub name: Text,
    /// Namespace.
    pub namespace: Text,
    /// Subset of its `DestinationRule`.
    pub subset: Text,
    /// What the host rests on.
    pub evidence: Evidence,
}

snapshot!(struct Service { host, name, namespace, subset, evidence });

/// What the name of a service rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// Nothing that was told.
    #[default]
    None,
    /// The cluster that Envoy chose.
    Cluster,
    /// The server name of TLS.
    Sni,
    /// The requested authority: it comes from outside.
    Authority,
}

snapshot!(enum Evidence { 0 = None, 1 = Cluster, 2 = Sni, 3 = Authority });
