//! The destination service that was meant, from what an entry carries.
//!
//! In: cluster, authority and server name of one entry. Out: a [`Service`] with what its host rests on. Always holds: the
//! same order of evidence as in the filter (`filter/src/service.rs`): the chosen cluster, then the server name of TLS,
//! then the requested authority.

use hopscope_proto::v1::ServiceEvidence;

/// The destination service. Empty texts are not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Service<'a> {
    pub(super) host: &'a str,
    /// Only where a cluster stands for no service; otherwise the host says it.
    pub(super) name: &'a str,
    /// 0 when not known.
    pub(super) port: u32,
    pub(super) subset: &'a str,
    pub(super) evidence: ServiceEvidence,
}

/// What a source tells.
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
    service.name = stand_in(cluster, route);
    service
}

/// What a destination tells.
pub(super) fn of_destination<'a>(cluster: &'a str, server_name: &'a str) -> Service<'a> {
    let mut service = Service { name: stand_in(cluster, ""), ..Service::default() };
    if let Some((port, subset, host)) = parts(server_name, "_.", "outbound") {
        service = Service { host, port, subset, evidence: ServiceEvidence::Sni, ..service };
    }
    if let Some((port, _, _)) = parts(cluster, "|", "inbound") {
        service.port = port;
    }
    service
}

/// `(port, subset, host)` of `<direction><separator>port<separator>subset<separator>host`.
fn parts<'a>(name: &'a str, separator: &str, direction: &str) -> Option<(u32, &'a str, &'a str)> {
    let mut parts = name.splitn(4, separator);
    if parts.next()? != direction {
        return None;
    }
    Some((parts.next()?.parse().ok()?, parts.next()?, parts.next()?))
}

/// The cluster name that Istio shows in place of a service, or nothing.
fn stand_in<'a>(cluster: &'a str, route: &str) -> &'a str {
    match (route, cluster) {
        ("block_all", _) => "BlackHoleCluster",
        ("allow_any", _) => "PassthroughCluster",
        (_, "BlackHoleCluster" | "PassthroughCluster") => cluster,
        _ if cluster.starts_with("InboundPassthroughCluster") => cluster,
        _ => "",
    }
}

/// Host and port of an authority; the brackets of an IPv6 address stay. Port 0 where there is none.
fn split_port(authority: &str) -> (&str, u32) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && (!host.contains(':') || host.ends_with(']')) => {
            port.parse().map_or((authority, 0), |port| (host, port))
        }
        _ => (authority, 0),
    }
}
