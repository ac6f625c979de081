//! The edge of a request: the peer, the service and the reporter.

use super::service::Service;
pub use hopscope_proto::v1::Reporter;

/// The peer and the service, as far as this proxy knows them. The proxy's own identity is sent
/// apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Edge {
    /// The side of the call on which this proxy is.
    pub reporter: Reporter,
    /// The other side of the call.
    pub peer: Peer,
    /// First URI SAN of the own certificate on the connection between the two sides.
    pub local_principal: String,
    /// Whether both sides presented a certificate.
    pub mutual_tls: bool,
    /// The destination service that the caller intended.
    pub service: Service,
}

/// The other side of the call. An empty text means "not known".
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Workload (for example a Deployment).
    pub workload: String,
    /// Namespace of the workload.
    pub namespace: String,
    /// Label `app`; known from the metadata exchange only.
    pub app: String,
    /// Label `version`; known from the metadata exchange only.
    pub version: String,
    /// Canonical service.
    pub canonical_service: String,
    /// Canonical revision, see [`named_revision`].
    pub canonical_revision: String,
    /// Cluster of the workload.
    pub cluster: String,
    /// Address without port.
    pub address: String,
    /// First URI SAN of the peer's certificate.
    pub principal: String,
}

/// Returns a canonical revision; empty for `latest`, which stands for a pod without a version.
/// istiod leaves it out of an endpoint's metadata, while the labels of a pod and the metadata
/// exchange contain it.
#[must_use]
pub fn named_revision(revision: &str) -> &str {
    if revision == "latest" { "" } else { revision }
}
