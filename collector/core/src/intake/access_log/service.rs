//! Requested destination service of an entry.
//!
//! In: cluster, authority and server name of one entry.
//! Out: a [`Service`] with the evidence of its host.
//! Invariant: the order of evidence is that of the filter (its file `record/service.rs`): the
//! selected cluster, the TLS server name, the requested authority.

use hopscope_proto::v1::ServiceEvidence;

/// Destination service. An unknown text is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Service<'a> {
    pub(super) host: &'a str,
    /// Name, only if the cluster stands for no service; otherwise the host determines the name.
    pub(super) name: &'a str,
    /// Port; 0 if unknown.
    pub(super) port: u32,
    pub(super) subset: &'a str,
    pub(super) evidence: ServiceEvidence,
}

/// Returns the service as a source reports it.
pub(super) fn of_source<'a>(cluster: &'a str, route: &str, authority: &'a str) -> Service<'a> {
    let mut service = match parts(cluster, "|", "outbound") {
        Some((port, subset, host)) => {
            Service { host, port, subset, evidence: ServiceEvidence::Cluster, ..Service::default() }
        }
        None => Service::default(),
    };
    if service.host.is_empty() {
        (service.host, service.port) = split_port(authority);
        if !service.host.is_empty() {
            service.evidence = ServiceEvidence::Authority;
        }
    }
    service.name = special_cluster(cluster, route);
    service
}

/// Returns the service as a destination reports it.
pub(super) fn of_destination<'a>(cluster: &'a str, server_name: &'a str) -> Service<'a> {
    let mut service = Service { name: special_cluster(cluster, ""), ..Service::default() };
    if let Some((port, subset, host)) = parts(server_name, "_.", "outbound") {
        service = Service { host, port, subset, evidence: ServiceEvidence::Sni, ..service };
    }
    if let Some((port, _, _)) = parts(cluster, "|", "inbound") {
        service.port = port;
    }
    service
}

/// Parses `(port, subset, host)` of `<direction><separator>port<separator>subset<separator>host`.
fn parts<'a>(name: &'a str, separator: &str, direction: &str) -> Option<(u32, &'a str, &'a str)> {
    let mut parts = name.splitn(4, separator);
    if parts.next()? != direction {
        return None;
    }
    Some((parts.next()?.parse().ok()?, parts.next()?, parts.next()?))
}

/// Returns the cluster name that Istio shows instead of a service; empty if there is a service.
fn special_cluster<'a>(cluster: &'a str, route: &str) -> &'a str {
    match (route, cluster) {
        ("block_all", _) => "BlackHoleCluster",
        ("allow_any", _) => "PassthroughCluster",
        (_, "BlackHoleCluster" | "PassthroughCluster") => cluster,
        _ if cluster.starts_with("InboundPassthroughCluster") => cluster,
        _ => "",
    }
}

/// Splits an authority into host and port. The brackets of an IPv6 address stay. A missing port is
/// 0.
fn split_port(authority: &str) -> (&str, u32) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && (!host.contains(':') || host.ends_with(']')) => {
            port.parse().map_or((authority, 0), |port| (host, port))
        }
        _ => (authority, 0),
    }
}
