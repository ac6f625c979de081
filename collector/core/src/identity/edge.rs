//! Resolved edges: both ends, the service, and the evidence.
//!
//! In: identities, and metadata of a peer. Out: values of the labels of an edge. Invariant: no
//! value is empty; an unknown one is `unknown`, and `latest` for a revision, as in Istio.

use super::ServiceName;
use super::accounts::CommonLabels;
use super::trust::SpiffeId;
use super::unknown::{LATEST, UNKNOWN, app_of, known, version_of};
use crate::batch::{Identity, Peer, Reporter, Text};
use crate::snapshot::codec::snapshot;
use std::sync::Arc;

/// Edge under which requests and connections are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResolvedEdge {
    /// Reporter.
    pub reporter: Reporter,
    /// Calling workload.
    pub source: Arc<End>,
    /// Called workload, or the intended one.
    pub destination: Arc<End>,
    /// Requested service.
    pub service: Arc<ServiceName>,
    /// Security of the connection.
    pub security: Security,
    /// Evidence for the identity of the peer.
    pub evidence: Evidence,
}

snapshot!(struct ResolvedEdge { reporter, source, destination, service, security, evidence });

/// Security of a connection; only a destination reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// Not reported.
    Unknown,
    /// No mutual TLS.
    None,
    /// Both sides presented a certificate.
    MutualTls,
}

snapshot!(enum Security { 0 = Unknown, 1 = None, 2 = MutualTls });

impl Security {
    /// Value of Istio's label `connection_security_policy`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::MutualTls => "mutual_tls",
        }
    }
}

/// Evidence for the identity of a peer, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Evidence {
    /// No evidence: the peer is unknown.
    None,
    /// The requested authority; no endpoint was reached.
    Authority,
    /// The requested service; no endpoint was reached.
    Service,
    /// The certificate of the peer: the labels are common to all proxies of that service account.
    Certificate,
    /// The record that the peer's own proxy reported of the request.
    Joined,
    /// The address of the peer.
    Address,
    /// Metadata of the peer from the control plane.
    Metadata,
}

snapshot!(enum Evidence { 0 = None, 1 = Authority, 2 = Service, 3 = Certificate, 4 = Address, 5 = Metadata, 6 = Joined });

impl Evidence {
    /// Value of the label `peer_evidence`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Authority => "authority",
            Self::Service => "service",
            Self::Certificate => "certificate",
            Self::Joined => "joined",
            Self::Address => "address",
            Self::Metadata => "metadata",
        }
    }
}

/// One end of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct End {
    /// Name of the workload, such as a Deployment.
    pub workload: Text,
    /// Namespace.
    pub namespace: Text,
    /// SPIFFE id.
    pub principal: Text,
    /// Label `app`; the canonical service without that label.
    pub app: Text,
    /// Label `version`; the canonical revision without that label.
    pub version: Text,
    /// Canonical service.
    pub canonical_service: Text,
    /// Canonical revision.
    pub canonical_revision: Text,
    /// Cluster.
    pub cluster: Text,
}

snapshot!(struct End {
    workload, namespace, principal, app, version, canonical_service, canonical_revision, cluster,
});

impl End {
    /// Creates an end from the identity of its proxy.
    pub(super) fn of_identity(identity: &Identity, principal: &Text) -> Self {
        let revision = &identity.canonical_revision;
        Self {
            workload: known(&identity.workload),
            namespace: known(&identity.namespace),
            principal: known(principal),
            app: known(app_of(&identity.app, &identity.canonical_service)),
            version: known(version_of(&identity.version, revision)),
            canonical_service: known(&identity.canonical_service),
            canonical_revision: if revision.is_empty() { LATEST.clone() } else { revision.clone() },
            cluster: known(&identity.cluster),
        }
    }

    /// Creates an end from reported metadata; the certificate contains the namespace, too.
    pub(super) fn of_peer(peer: &Peer) -> Self {
        let namespace = SpiffeId::parse(&peer.principal).map(|id| id.namespace.into());
        let revision = &peer.canonical_revision;
        let is_unknown = peer.workload.is_empty();
        Self {
            workload: known(&peer.workload),
            namespace: if peer.namespace.is_empty() {
                namespace.unwrap_or_else(|| UNKNOWN.clone())
            } else {
                peer.namespace.clone()
            },
            principal: known(&peer.principal),
            app: known(app_of(&peer.app, &peer.canonical_service)),
            version: known(version_of(&peer.version, revision)),
            canonical_service: known(&peer.canonical_service),
            canonical_revision: match revision.is_empty() {
                true if is_unknown => UNKNOWN.clone(),
                true => LATEST.clone(),
                false => revision.clone(),
            },
            cluster: known(&peer.cluster),
        }
    }

    /// Fills in labels from the identity that the peer's own proxy reported.
    pub(super) fn complete(&mut self, identity: &Identity) {
        let Self { app, version, cluster, .. } = Self::of_identity(identity, &self.principal);
        if app != *UNKNOWN {
            self.app = app;
        }
        if version != *UNKNOWN {
            self.version = version;
        }
        if self.cluster == *UNKNOWN {
            self.cluster = cluster;
        }
    }

    /// Whether every known label of this end has the same value in the other one.
    pub(super) fn may_be(&self, other: &Self) -> bool {
        let fields: [fn(&Self) -> &Text; 6] = [
            |it| &it.workload,
            |it| &it.app,
            |it| &it.version,
            |it| &it.canonical_service,
            |it| &it.canonical_revision,
            |it| &it.cluster,
        ];
        fields.iter().all(|field| [&*UNKNOWN, field(other)].contains(&field(self)))
    }

    /// Sets the labels that all candidates have in common. Returns `false` if the workload is not
    /// one of them.
    pub(super) fn agreed(&mut self, common: CommonLabels) -> bool {
        let CommonLabels {
            workload: Some(workload),
            app,
            version,
            canonical_service,
            canonical_revision,
            cluster,
        } = common
        else {
            return false;
        };
        self.workload = workload;
        let labels = [
            (&mut self.app, app),
            (&mut self.version, version),
            (&mut self.canonical_service, canonical_service),
            (&mut self.canonical_revision, canonical_revision),
            (&mut self.cluster, cluster),
        ];
        for (mine, common) in labels {
            if let Some(value) = common {
                *mine = value;
            }
        }
        true
    }
}
