//! Identity of a proxy.

use crate::snapshot::codec::snapshot;
use crate::text::Text;

/// Identity of a proxy from its own node metadata. An absent label is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `WORKLOAD_NAME`.
    pub workload: Text,
    /// `NAMESPACE`.
    pub namespace: Text,
    /// Label `app`.
    pub app: Text,
    /// Label `version`.
    pub version: Text,
    /// Label `service.istio.io/canonical-name`.
    pub canonical_service: Text,
    /// Label `service.istio.io/canonical-revision`.
    pub canonical_revision: Text,
    /// `SERVICE_ACCOUNT`.
    pub service_account: Text,
    /// `CLUSTER_ID`.
    pub cluster: Text,
    /// `INSTANCE_IPS`: addresses of the proxy as its peers see them, without ports; at most 16.
    pub addresses: Vec<Text>,
    /// Version of the filter; empty for an access log.
    pub filter_version: Text,
    /// Hash of the active plugin configuration; 0 without one.
    pub config_hash: u64,
    /// Origin of the proxy's records.
    pub source: Source,
}

snapshot!(struct Identity {
    workload, namespace, app, version, canonical_service, canonical_revision, service_account, cluster, addresses,
    filter_version, config_hash, source,
});

/// Origin of a proxy's records, which decides how far the ledger can account for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// The filter: batches are numbered and acknowledged.
    #[default]
    Filter,
    /// Envoy's access log service: entries are not numbered, so losses in transit are not visible.
    AccessLog,
}

snapshot!(enum Source { 0 = Filter, 1 = AccessLog });

impl Source {
    /// Returns the name of the source in the API.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::AccessLog => "als",
        }
    }
}
