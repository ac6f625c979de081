//! An edge with both ends named.
//!
//! In: identities and what was told of a peer. Out: the labels of an edge. Always holds: no label is empty; what is not
//! known reads as Istio has it (`unknown`, and `latest` for a revision).

use super::ServiceName;
use crate::batch::{Identity, Peer, Reporter, Text};
use crate::snapshot::codec::snapshot;
use std::sync::{Arc, LazyLock};

static UNKNOWN: LazyLock<Text> = LazyLock::new(|| "unknown".into());
static LATEST: LazyLock<Text> = LazyLock::new(|| "latest".into());

/// The text, or `unknown`.
pub(super) fn known(text: &Text) -> Text {
    if text.is_empty() { UNKNOWN.clone() } else { text.clone() }
}

/// An edge as it is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResolvedEdge {
    /// Which side tells.
    pub reporter: Reporter,
    /// Who called.
    pub source: Arc<End>,
    /// Who was called, or meant.
    pub destination: Arc<End>,
    /// The service that was meant.
    pub service: Arc<ServiceName>,
    /// How the connection is secured.
    pub security: Security,
    /// What the peer's name rests on.
    pub evidence: Evidence,
}

snapshot!(struct ResolvedEdge { reporter, source, destination, service, security, evidence });

/// How a connection is secured; only a called side knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// Not told.
    Unknown,
    /// Not both sides presented a certificate.
    None,
    /// Both did.
    MutualTls,
}

snapshot!(enum Security { 0 = Unknown, 1 = None, 2 = MutualTls });

impl Security {
    /// As Istio's label `connection_security_policy` says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::MutualTls => "mutual_tls",
        }
    }
}

/// What the name of a peer rests on, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Evidence {
    /// Nothing: it is unknown.
    None,
    /// The requested authority; nobody was reached.
    Authority,
    /// The service that was meant; nobody was reached.
    Service,
    /// Its certificate: all proxies of that service account agree on what is named.
    Certificate,
    /// What its own proxy told of the request.
    Joined,
    /// Its address.
    Address,
    /// What the proxy was told of it by the control plane.
    Metadata,
}

snapshot!(enum Evidence { 0 = None, 1 = Authority, 2 = Service, 3 = Certificate, 4 = Address, 5 = Metadata, 6 = Joined });

impl Evidence {
    /// As the label `peer_evidence` says it.
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

/// One label of an identity.
type Field = fn(&Identity) -> &Text;

/// One end of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct End {
    /// The Deployment or the like.
    pub workload: Text,
    /// Its namespace.
    pub namespace: Text,
    /// Its SPIFFE id.
    pub principal: Text,
    /// Label `app`.
    pub app: Text,
    /// Label `version`; where only the control plane told, the canonical revision.
    pub version: Text,
    /// Its canonical service.
    pub canonical_service: Text,
    /// Its canonical revision.
    pub canonical_revision: Text,
    /// Its cluster.
    pub cluster: Text,
}

snapshot!(struct End {
    workload, namespace, principal, app, version, canonical_service, canonical_revision, cluster,
});

impl End {
    /// A proxy that said who it is.
    pub(super) fn of_identity(identity: &Identity, principal: &Text) -> Self {
        let revision = &identity.canonical_revision;
        Self {
            workload: known(&identity.workload),
            namespace: known(&identity.namespace),
            principal: known(principal),
            app: known(&identity.app),
            version: known(&identity.version),
            canonical_service: known(&identity.canonical_service),
            canonical_revision: if revision.is_empty() { LATEST.clone() } else { revision.clone() },
            cluster: known(&identity.cluster),
        }
    }

    /// A peer as far as it was told; the namespace stands in the certificate, too.
    pub(super) fn of_peer(peer: &Peer) -> Self {
        let namespace = super::spiffe(&peer.principal).map(|(namespace, _)| namespace.into());
        let version = if peer.version.is_empty() { &peer.canonical_revision } else { &peer.version };
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
            app: known(&peer.app),
            version: known(version),
            canonical_service: known(&peer.canonical_service),
            canonical_revision: match revision.is_empty() {
                true if is_unknown => UNKNOWN.clone(),
                true => LATEST.clone(),
                false => revision.clone(),
            },
            cluster: known(&peer.cluster),
        }
    }

    /// Fills in what was not told from what the peer said of itself.
    pub(super) fn complete(&mut self, identity: &Identity) {
        for (mine, theirs) in [(&mut self.app, &identity.app), (&mut self.cluster, &identity.cluster)] {
            if *mine == *UNKNOWN {
                *mine = known(theirs);
            }
        }
        if !identity.version.is_empty() {
            self.version = identity.version.clone();
        }
    }

    /// Whether nothing that is known here is otherwise there.
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

    /// Takes over what all candidates have in common; `false` when that is not even the workload.
    pub(super) fn agreed(&mut self, candidates: &[&Identity]) -> bool {
        let common = |field: Field| {
            let mut values = candidates.iter().map(|candidate| field(candidate));
            let first = values.next().filter(|first| !first.is_empty())?;
            values.all(|value| value == first).then(|| first.clone())
        };
        let Some(workload) = common(|it| &it.workload) else { return false };
        self.workload = workload;
        let fields: [(&mut Text, Field); 5] = [
            (&mut self.app, |it| &it.app),
            (&mut self.version, |it| &it.version),
            (&mut self.canonical_service, |it| &it.canonical_service),
            (&mut self.canonical_revision, |it| &it.canonical_revision),
            (&mut self.cluster, |it| &it.cluster),
        ];
        for (mine, theirs) in fields {
            if let Some(value) = common(theirs) {
                *mine = value;
            }
        }
        true
    }
}
