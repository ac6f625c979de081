//! The intended destination service, from the available evidence.
//!
//! In: the attributes of one request. Out: a [`Service`] and its [`ServiceEvidence`].
//! Invariant: at a source, Envoy's choice (cluster) takes precedence over the request (authority).
//! At a destination, the caller's choice in TLS (SNI) takes precedence over the cluster: a pod may
//! belong to several Services, and its inbound cluster names one of them. A host is in lower case
//! and has neither a port nor a trailing dot.
//!
//! Sources: Istio's `istio_stats.cc` (`populatePeerInfo`) for the special cluster and route names;
//! istiod for cluster names `outbound|port|subset|host`, and for server names
//! `outbound_.port_.subset_.host`, which are the cluster names of an east-west gateway too.

use super::truncate::truncated;
use crate::attributes::{Attribute, Attributes};
pub use hopscope_proto::v1::ServiceEvidence;

/// The destination service of an edge. An empty text means "not known".
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Service {
    /// The host: `payments.shop.svc.cluster.local`.
    pub host: String,
    /// The short name: `payments`, or the name of a cluster without a service, such as
    /// `PassthroughCluster`.
    pub name: String,
    /// The namespace: `shop`.
    pub namespace: String,
    /// The port of the service; 0 when not known.
    pub port: u32,
    /// The chosen subset; empty for none.
    pub subset: String,
    /// The evidence for the host.
    pub evidence: ServiceEvidence,
}

impl Service {
    /// Returns whether the service follows from the cluster and the connection alone, so that it is
    /// equal for all requests with both.
    #[must_use]
    pub fn is_independent_of_the_request(&self) -> bool {
        matches!(self.evidence, ServiceEvidence::Cluster | ServiceEvidence::Sni)
    }
}

/// Returns the service with all texts truncated.
pub(super) fn truncated_service(service: &Service) -> Service {
    Service {
        host: truncated(&service.host),
        name: truncated(&service.name),
        namespace: truncated(&service.namespace),
        subset: truncated(&service.subset),
        ..*service
    }
}

/// Returns the service at a source: of the chosen cluster, else of the requested authority.
pub(super) fn of_source(attributes: &impl Attributes) -> Service {
    let cluster = attributes.text(Attribute::ClusterName).unwrap_or_default();
    let chosen = of_outbound_cluster(&cluster);
    let mut service = of_cluster_metadata(attributes);
    if let Some((port, subset, host)) = chosen {
        service.port = port;
        subset.clone_into(&mut service.subset);
        if service.host.is_empty() {
            service.host = normalized(host);
            service.evidence = ServiceEvidence::Cluster;
        }
    }
    if service.host.is_empty() {
        let authority = attributes.text(Attribute::RequestHost).unwrap_or_default();
        let (host, port) = split_port(&authority);
        service.host = normalized(host);
        service.port = port;
        if !service.host.is_empty() {
            service.evidence = ServiceEvidence::Authority;
        }
    }
    let route = attributes.text(Attribute::RouteName).unwrap_or_default();
    if let Some(special_cluster) = special_cluster(&cluster, &route) {
        special_cluster.clone_into(&mut service.name);
    }
    service
}

/// Completes the service of a TCP connection at a source by the requested server name, where the
/// cluster has no service.
pub(super) fn complete_by_server_name(service: &mut Service, server_name: &str) {
    if !service.host.is_empty() {
        return;
    }
    if let Some((port, subset, host)) = parts(server_name, "_.", "outbound") {
        service.port = port;
        subset.clone_into(&mut service.subset);
        service.host = normalized(host);
        service.evidence = ServiceEvidence::Sni;
    } else {
        service.host = normalized(server_name);
        service.evidence = ServiceEvidence::Authority;
    }
}

/// Returns whether a cluster has a service, so that its name identifies the service.
pub(super) fn is_of_service(cluster: &[u8]) -> bool {
    cluster.starts_with(b"outbound|") || cluster.starts_with(b"outbound_.")
}

/// Returns the service at a destination: of the inbound cluster and the requested server name.
pub(super) fn of_destination(attributes: &impl Attributes) -> Service {
    let cluster = attributes.text(Attribute::ClusterName).unwrap_or_default();
    let sni = attributes.text(Attribute::RequestedServerName).unwrap_or_default();
    let mut service = of_cluster_metadata(attributes);
    if let Some((port, _, _)) = parts(&cluster, "|", "inbound") {
        service.port = port;
    }
    if let Some((port, subset, host)) = parts(&sni, "_.", "outbound") {
        service.port = if service.port == 0 { port } else { service.port };
        subset.clone_into(&mut service.subset);
        let host = normalized(host);
        if service.host != host && !host.is_empty() {
            // The names of the cluster belong to another Service.
            service = Service { name: String::new(), namespace: String::new(), host, ..service };
            service.evidence = ServiceEvidence::Sni;
        }
    }
    if let Some(special_cluster) = special_cluster(&cluster, "") {
        special_cluster.clone_into(&mut service.name);
    }
    service
}

fn of_cluster_metadata(attributes: &impl Attributes) -> Service {
    let host = attributes.text(Attribute::ServiceHost).unwrap_or_default();
    if host.is_empty() {
        return Service::default();
    }
    Service {
        name: attributes.text(Attribute::ServiceName).unwrap_or_default(),
        namespace: attributes.text(Attribute::ServiceNamespace).unwrap_or_default(),
        host,
        evidence: ServiceEvidence::Cluster,
        ..Service::default()
    }
}

fn of_outbound_cluster(cluster: &str) -> Option<(u32, &str, &str)> {
    parts(cluster, "|", "outbound").or_else(|| parts(cluster, "_.", "outbound"))
}

/// Returns a host in lower case, without the dot that ends a fully qualified name.
fn normalized(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Returns `(port, subset, host)` of `<direction><separator>port<separator>subset<separator>host`.
/// At a waypoint the direction is `inbound-vip`, and the protocol precedes the subset: `http/v2`.
fn parts<'a>(name: &'a str, separator: &str, direction: &str) -> Option<(u32, &'a str, &'a str)> {
    let (found, rest) = split_once(name, separator)?;
    let at_waypoint = direction == "outbound" && found == "inbound-vip";
    if found != direction && !at_waypoint {
        return None;
    }
    let (port, rest) = split_once(rest, separator)?;
    let (subset, host) = split_once(rest, separator)?;
    let subset = if at_waypoint { split_once(subset, "/").map_or("", |(_, subset)| subset) } else { subset };
    Some((port_number(port)?, subset, host))
}

/// Splits a text at the first separator. The standard library's search is made for longer texts,
/// and its code is larger than this module.
fn split_once<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let position =
        text.as_bytes().windows(separator.len()).position(|found| found == separator.as_bytes())?;
    Some((text.get(..position)?, text.get(position.checked_add(separator.len())?..)?))
}

/// Returns the cluster name that Istio reports as the service name.
fn special_cluster<'a>(cluster: &'a str, route: &str) -> Option<&'a str> {
    match (route, cluster) {
        ("block_all", _) => Some("BlackHoleCluster"),
        ("allow_any", _) => Some("PassthroughCluster"),
        (_, "BlackHoleCluster" | "PassthroughCluster") => Some(cluster),
        _ if cluster.starts_with("InboundPassthroughCluster") => Some(cluster),
        _ => None,
    }
}

/// Splits an authority into host and port; the brackets of an IPv6 address stay. Port 0 where there
/// is none.
pub(super) fn split_port(authority: &str) -> (&str, u32) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && (!host.contains(':') || host.ends_with(']')) => {
            port_number(port).map_or((authority, 0), |port| (host, port))
        }
        _ => (authority, 0),
    }
}

/// Returns the number of a port; `None` for a number that is none.
fn port_number(port: &str) -> Option<u32> {
    port.parse::<u16>().ok().map(u32::from)
}

#[cfg(test)]
mod tests {
    use super::{Service, of_destination, of_source, split_port};
    use crate::attributes::fake::FakeAttributes;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn text(service: &Service) -> String {
        let Service { host, name, namespace, port, subset, evidence } = service;
        format!("{host} name={name} ns={namespace} port={port} subset={subset} by {}", evidence.as_str_name())
            .replace("SERVICE_EVIDENCE_", "")
    }

    #[track_caller]
    fn check(side: &str, attributes: &str, expected: &str) {
        let table = FakeAttributes::parse(attributes);
        let service = if side == "source" { of_source(&table) } else { of_destination(&table) };
        assert_eq!(text(&service), expected);
    }

    #[test]
    fn at_a_source_the_cluster_takes_precedence() {
        check(
            "source",
            "xds.cluster_name = outbound|8080|v1|payments.shop.svc.cluster.local
             request.host = anything:80",
            "payments.shop.svc.cluster.local name= ns= port=8080 subset=v1 by CLUSTER",
        );
        check(
            "source",
            "xds.cluster_name = outbound|8080||payments.shop.svc.cluster.local
             xds.cluster_metadata.filter_metadata.istio.services.0.host = payments.shop.svc.cluster.local
             xds.cluster_metadata.filter_metadata.istio.services.0.name = payments
             xds.cluster_metadata.filter_metadata.istio.services.0.namespace = shop",
            "payments.shop.svc.cluster.local name=payments ns=shop port=8080 subset= by CLUSTER",
        );
    }

    #[test]
    fn without_a_cluster_the_authority_names_the_service() {
        check("source", "request.host = Payments:8080", "payments name= ns= port=8080 subset= by AUTHORITY");
        check("source", "request.host = [::1]:8080", "[::1] name= ns= port=8080 subset= by AUTHORITY");
        check("source", "", " name= ns= port=0 subset= by UNSPECIFIED");
    }

    #[test]
    fn one_host_has_one_form() {
        let expected = "payments.shop.svc.cluster.local name= ns= port=8080 subset= by AUTHORITY";
        check("source", "request.host = payments.shop.svc.cluster.local.:8080", expected);
        check("source", "request.host = Payments.Shop.svc.cluster.local:8080", expected);
        check("source", "request.host = .", " name= ns= port=0 subset= by UNSPECIFIED");
    }

    #[test]
    fn at_an_east_west_gateway_the_server_name_is_the_cluster() {
        check(
            "source",
            "xds.cluster_name = outbound_.8080_.v1_.payments.shop.svc.cluster.local",
            "payments.shop.svc.cluster.local name= ns= port=8080 subset=v1 by CLUSTER",
        );
    }

    #[test]
    fn clusters_without_a_service_are_reported_by_name() {
        check(
            "source",
            "xds.cluster_name = PassthroughCluster
             xds.route_name = allow_any
             request.host = example.org",
            "example.org name=PassthroughCluster ns= port=0 subset= by AUTHORITY",
        );
        check(
            "source",
            "xds.route_name = block_all
             request.host = example.org",
            "example.org name=BlackHoleCluster ns= port=0 subset= by AUTHORITY",
        );
        check(
            "destination",
            "xds.cluster_name = InboundPassthroughCluster",
            " name=InboundPassthroughCluster ns= port=0 subset= by UNSPECIFIED",
        );
    }

    #[test]
    fn at_a_destination_the_server_name_takes_precedence() {
        let sni = "connection.requested_server_name = outbound_.8080_.v2_.payments.shop.svc.cluster.local";
        check("destination", sni, "payments.shop.svc.cluster.local name= ns= port=8080 subset=v2 by SNI");
        // A pod behind two Services: istiod names the inbound cluster after one of them.
        check(
            "destination",
            &format!(
                "xds.cluster_name = inbound|18080||
                 xds.cluster_metadata.filter_metadata.istio.services.0.host = pay.shop.svc.cluster.local
                 {sni}"
            ),
            "payments.shop.svc.cluster.local name= ns= port=18080 subset=v2 by SNI",
        );
        check(
            "destination",
            &format!(
                "xds.cluster_name = inbound|8080||
                 xds.cluster_metadata.filter_metadata.istio.services.0.host = payments.shop.svc.cluster.local
                 xds.cluster_metadata.filter_metadata.istio.services.0.name = payments
                 xds.cluster_metadata.filter_metadata.istio.services.0.namespace = shop
                 {sni}"
            ),
            "payments.shop.svc.cluster.local name=payments ns=shop port=8080 subset=v2 by CLUSTER",
        );
        check(
            "destination",
            "connection.requested_server_name = www.example.org",
            " name= ns= port=0 subset= by UNSPECIFIED",
        );
    }

    #[test]
    fn an_authority_without_a_port_is_not_split() {
        assert_eq!(split_port("127.0.0.1:80"), ("127.0.0.1", 80));
        assert_eq!(split_port("[::1]:80"), ("[::1]", 80));
        assert_eq!(split_port("::1"), ("::1", 0));
        assert_eq!(split_port("[::1]"), ("[::1]", 0));
        assert_eq!(split_port("host"), ("host", 0));
        assert_eq!(split_port("host:port"), ("host:port", 0));
        assert_eq!(split_port("host:65536"), ("host:65536", 0));
    }
}
