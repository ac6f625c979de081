//! Requested destination service of an entry.
//!
//! In: cluster, authority and server name of one entry.
//! Out: a [`Service`] with the evidence of its host.
//! Invariant: the order of evidence is that of the filter (its file `record/service.rs`): the
//! selected cluster, the TLS server name of a sidecar, the requested authority or server name.

use super::text::bounded;
use hopscope_proto::v1::ServiceEvidence;

/// Destination service. An unknown text is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) host: String,
    /// Name, only if the cluster stands for no service; otherwise the host determines the name.
    pub(super) name: String,
    /// Port; 0 if unknown.
    pub(super) port: u32,
    pub(super) subset: String,
    pub(super) evidence: ServiceEvidence,
}

/// Returns the service as a source reports it. `server_name`: TLS server name of the downstream
/// connection, which names the service of a connection without HTTP.
pub(super) fn of_source(cluster: &str, route: &str, authority: &str, server_name: &str) -> Service {
    // The cluster of a gateway between networks has the form of a server name.
    let chosen = parts(cluster, "|", "outbound").or_else(|| parts(cluster, "_.", "outbound"));
    let service = chosen.map(|parts| named(parts, ServiceEvidence::Cluster));
    let service = service.or_else(|| requested(authority));
    let by_name = || parts(server_name, "_.", "outbound").map(|parts| named(parts, ServiceEvidence::Sni));
    let service = service.or_else(by_name).or_else(|| requested(server_name));
    Service { name: special_cluster(cluster, route).to_owned(), ..service.unwrap_or_default() }
}

/// Returns the service as a destination reports it.
pub(super) fn of_destination(cluster: &str, server_name: &str) -> Service {
    let by_name = parts(server_name, "_.", "outbound").map(|parts| named(parts, ServiceEvidence::Sni));
    let mut service = by_name.unwrap_or_default();
    special_cluster(cluster, "").clone_into(&mut service.name);
    if let Some((port, _, _)) = parts(cluster, "|", "inbound") {
        service.port = port;
    }
    service
}

/// Returns the service of a cluster or server name; a service without a host is unknown.
fn named((port, subset, host): (u32, &str, &str), evidence: ServiceEvidence) -> Service {
    let evidence = if host.is_empty() { ServiceEvidence::Unspecified } else { evidence };
    let (host, subset) = (bounded(host).to_owned(), bounded(subset).to_owned());
    Service { host, port, subset, evidence, ..Service::default() }
}

/// Returns the service of an authority, in lower case and without the dot of a fully qualified name.
fn requested(authority: &str) -> Option<Service> {
    let authority = authority.to_ascii_lowercase();
    let (host, port) = split_port(&authority);
    let host = bounded(host.strip_suffix('.').unwrap_or(host)).to_owned();
    let evidence = ServiceEvidence::Authority;
    (!host.is_empty()).then(|| Service { host, port, evidence, ..Service::default() })
}

/// Parses `(port, subset, host)` of `<direction><separator>port<separator>subset<separator>host`.
/// At a waypoint the direction is `inbound-vip`, and the protocol precedes the subset: `http/v2`.
fn parts<'a>(name: &'a str, separator: &str, direction: &str) -> Option<(u32, &'a str, &'a str)> {
    let mut parts = name.splitn(4, separator);
    let found = parts.next()?;
    let at_waypoint = direction == "outbound" && found == "inbound-vip";
    if found != direction && !at_waypoint {
        return None;
    }
    let (port, subset, host) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let subset = if at_waypoint { subset.split_once('/').map_or("", |(_, subset)| subset) } else { subset };
    Some((port, subset, host))
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
            port.parse::<u16>().map_or((authority, 0), |port| (host, port.into()))
        }
        _ => (authority, 0),
    }
}
