//! The destination service that was meant, from whatever evidence there is.
//!
//! In: the attributes of one request. Out: a [`Service`] with the [`ServiceEvidence`] it rests on. Always holds: at a source what
//! Envoy chose (cluster) outranks what the request says (authority). At a destination what the caller asked TLS for (SNI)
//! outranks the cluster: one pod may stand behind several Services, and its inbound cluster names one of them.
//!
//! Source: Istio's `istio_stats.cc` (`populatePeerInfo`) for the special cluster and route names; istiod's cluster
//! names `outbound|port|subset|host` and server names `outbound_.port_.subset_.host`.

use crate::attributes::{Attribute, Attributes};
pub use hopscope_proto::v1::ServiceEvidence;

/// The destination service of an edge. Empty texts are "not known".
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Service {
    /// `payments.shop.svc.cluster.local`.
    pub host: String,
    /// `payments`, or the name of a cluster that stands for no service, such as `PassthroughCluster`.
    pub name: String,
    /// `shop`.
    pub namespace: String,
    /// The service's port; 0 when not known.
    pub port: u32,
    /// The subset that was chosen, empty for none.
    pub subset: String,
    /// What the host rests on.
    pub evidence: ServiceEvidence,
}

impl Service {
    /// Whether nothing had a say in it but the chosen cluster and, at a destination, the connection.
    #[must_use]
    pub fn is_named_without_the_request(&self) -> bool {
        matches!(self.evidence, ServiceEvidence::Cluster | ServiceEvidence::Sni)
    }
}

/// What a source reporter can tell: the chosen cluster, else the requested authority.
pub fn of_source(attributes: &impl Attributes) -> Service {
    let cluster = attributes.text(Attribute::ClusterName).unwrap_or_default();
    let chosen = parts(&cluster, "|", "outbound");
    let mut service = of_cluster_metadata(attributes);
    if let Some((port, subset, host)) = chosen {
        service.port = port;
        subset.clone_into(&mut service.subset);
        if service.host.is_empty() {
            host.clone_into(&mut service.host);
            service.evidence = ServiceEvidence::Cluster;
        }
    }
    if service.host.is_empty() {
        let authority = attributes.text(Attribute::RequestHost).unwrap_or_default();
        let (host, port) = split_port(&authority);
        service.host = host.to_ascii_lowercase();
        service.port = port;
        if !service.host.is_empty() {
            service.evidence = ServiceEvidence::Authority;
        }
    }
    let route = attributes.text(Attribute::RouteName).unwrap_or_default();
    if let Some(stand_in) = stand_in(&cluster, &route) {
        stand_in.clone_into(&mut service.name);
    }
    service
}

/// What a destination reporter can tell: its inbound cluster, and what its caller asked TLS for.
pub fn of_destination(attributes: &impl Attributes) -> Service {
    let cluster = attributes.text(Attribute::ClusterName).unwrap_or_default();
    let sni = attributes.text(Attribute::RequestedServerName).unwrap_or_default();
    let mut service = of_cluster_metadata(attributes);
    if let Some((port, _, _)) = parts(&cluster, "|", "inbound") {
        service.port = port;
    }
    if let Some((port, subset, host)) = parts(&sni, "_.", "outbound") {
        service.port = if service.port == 0 { port } else { service.port };
        subset.clone_into(&mut service.subset);
        if service.host != host && !host.is_empty() {
            // Names that the cluster gave are another Service's.
            service = Service { name: String::new(), namespace: String::new(), ..service };
            host.clone_into(&mut service.host);
            service.evidence = ServiceEvidence::Sni;
        }
    }
    if let Some(stand_in) = stand_in(&cluster, "") {
        stand_in.clone_into(&mut service.name);
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

/// `(port, subset, host)` of `<direction><separator>port<separator>subset<separator>host`. At a waypoint the direction is
/// `inbound-vip`, and the protocol stands before the subset: `http/v2`.
fn parts<'a>(name: &'a str, separator: &str, direction: &str) -> Option<(u32, &'a str, &'a str)> {
    let (found, rest) = cut(name, separator)?;
    let at_waypoint = direction == "outbound" && found == "inbound-vip";
    if found != direction && !at_waypoint {
        return None;
    }
    let (port, rest) = cut(rest, separator)?;
    let (subset, host) = cut(rest, separator)?;
    let subset = if at_waypoint { cut(subset, "/").map_or("", |(_, subset)| subset) } else { subset };
    Some((port.parse().ok()?, subset, host))
}

/// What stands before and behind the first separator. The library's search is for longer texts, and larger than all of this.
fn cut<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let place = text.as_bytes().windows(separator.len()).position(|found| found == separator.as_bytes())?;
    Some((text.get(..place)?, text.get(place.checked_add(separator.len())?..)?))
}

/// The cluster name that Istio shows in place of a service.
fn stand_in<'a>(cluster: &'a str, route: &str) -> Option<&'a str> {
    match (route, cluster) {
        ("block_all", _) => Some("BlackHoleCluster"),
        ("allow_any", _) => Some("PassthroughCluster"),
        (_, "BlackHoleCluster" | "PassthroughCluster") => Some(cluster),
        _ if cluster.starts_with("InboundPassthroughCluster") => Some(cluster),
        _ => None,
    }
}

/// Host and port of an authority; the brackets of an IPv6 address stay. Port 0 where there is none.
#[must_use]
pub fn split_port(authority: &str) -> (&str, u32) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && (!host.contains(':') || host.ends_with(']')) => {
            port.parse().map_or((authority, 0), |port| (host, port))
        }
        _ => (authority, 0),
    }
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
    fn a_source_believes_the_cluster_first() {
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
    fn without_a_cluster_the_authority_tells() {
        check("source", "request.host = Payments:8080", "payments name= ns= port=8080 subset= by AUTHORITY");
        check("source", "request.host = [::1]:8080", "[::1] name= ns= port=8080 subset= by AUTHORITY");
        check("source", "", " name= ns= port=0 subset= by UNSPECIFIED");
    }

    #[test]
    fn clusters_that_stand_for_no_service_are_named() {
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
    fn a_destination_believes_what_its_caller_asked_tls_for() {
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
    fn ports_are_split_only_where_there_is_one() {
        assert_eq!(split_port("127.0.0.1:80"), ("127.0.0.1", 80));
        assert_eq!(split_port("[::1]:80"), ("[::1]", 80));
        assert_eq!(split_port("::1"), ("::1", 0));
        assert_eq!(split_port("[::1]"), ("[::1]", 0));
        assert_eq!(split_port("host"), ("host", 0));
        assert_eq!(split_port("host:port"), ("host:port", 0));
    }
}
