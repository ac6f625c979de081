//! Peer of an entry: names, address and certificate.
//!
//! In: the fields of an entry.
//! Out: what they say of the peer.
//! Invariant: the peer's own metadata takes precedence over istiod's metadata of its endpoint; an
//! address with port 0 is not the peer's own.
//!
//! Source: Istio's metadata exchange stores a `google.protobuf.Struct` under `downstream_peer` and
//! `upstream_peer`, and from 1.29 on an object that Envoy logs as a Struct under `…_obj`; istiod
//! configures its loggers to send the first two. The field names stand in Istio's
//! `extensions/common/metadata_object.h`; in node metadata they are `WORKLOAD_NAME` and the like.

use super::text::{bounded, lossy, text};
use hopscope_proto::envoy::config::core::v3::Address;
use hopscope_proto::envoy::config::core::v3::address::Address as AddressKind;
use hopscope_proto::envoy::config::core::v3::socket_address::PortSpecifier;
use hopscope_proto::envoy::data::accesslog::v3::AccessLogCommon;
use hopscope_proto::envoy::data::accesslog::v3::tls_properties::CertificateProperties;
use hopscope_proto::envoy::data::accesslog::v3::tls_properties::certificate_properties::subject_alt_name::San;
use prost::Message;
use prost_types::Struct;
use prost_types::value::Kind;

/// Custom tag with istiod's metadata of the endpoint:
/// `workload;namespace;service;revision;cluster`.
const ENDPOINT_TAG: &str = "hopscope.endpoint_workload";
/// Suffix of the type of a Struct.
const STRUCT_TYPE: &str = "google.protobuf.Struct";

/// Names of a peer. An unknown name is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PeerNames {
    pub(super) workload: String,
    pub(super) namespace: String,
    pub(super) app: String,
    pub(super) version: String,
    pub(super) canonical_service: String,
    pub(super) canonical_revision: String,
    pub(super) cluster: String,
}

impl PeerNames {
    /// Returns the names of the caller.
    pub(super) fn of_downstream(common: &AccessLogCommon) -> Self {
        exchanged(common, ["downstream_peer_obj", "downstream_peer"]).unwrap_or_default()
    }

    /// Returns the names of the upstream: its own ones, or those of its endpoint.
    pub(super) fn of_upstream(common: &AccessLogCommon) -> Self {
        exchanged(common, ["upstream_peer_obj", "upstream_peer"]).unwrap_or_else(|| {
            let tag = common.custom_tags.get(ENDPOINT_TAG).map(|tag| lossy(tag)).unwrap_or_default();
            let mut names = tag.split(';').map(|name| bounded(name).to_owned());
            let mut next = || names.next().unwrap_or_default();
            Self {
                workload: next(),
                namespace: next(),
                canonical_service: next(),
                canonical_revision: next(),
                cluster: next(),
                ..Self::default()
            }
        })
    }
}

/// Returns the names of a peer from the metadata exchange; `None` without metadata.
fn exchanged(common: &AccessLogCommon, keys: [&str; 2]) -> Option<PeerNames> {
    let objects = keys.into_iter().filter_map(|key| common.filter_state_objects.get(key));
    let mut objects = objects.filter(|object| object.type_url.ends_with(STRUCT_TYPE));
    objects.find_map(|object| {
        let object = Struct::decode(object.value.as_slice()).ok()?;
        let names = names_of(&object);
        (names != PeerNames::default()).then_some(names)
    })
}

fn names_of(object: &Struct) -> PeerNames {
    let labels = match object.fields.get("LABELS").and_then(|value| value.kind.as_ref()) {
        Some(Kind::StructValue(labels)) => labels,
        _ => &Struct::default(),
    };
    let name = |name: &str, (metadata, other): (&Struct, &str)| {
        field(object, name).or_else(|| field(metadata, other)).unwrap_or_default()
    };
    PeerNames {
        workload: name("workload", (object, "WORKLOAD_NAME")),
        namespace: name("namespace", (object, "NAMESPACE")),
        app: name("app", (labels, "app")),
        version: name("version", (labels, "version")),
        canonical_service: name("service", (labels, "service.istio.io/canonical-name")),
        canonical_revision: name("revision", (labels, "service.istio.io/canonical-revision")),
        cluster: name("cluster", (object, "CLUSTER_ID")),
    }
}

fn field(metadata: &Struct, name: &str) -> Option<String> {
    match metadata.fields.get(name)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(bounded(text).to_owned()),
        _ => None,
    }
}

/// Returns the address without its port; empty if the port is 0, because such an address is not the
/// peer's own.
pub(super) fn address(address: &Option<Address>) -> &str {
    match socket(address) {
        Some((host, port)) if port != 0 => host,
        _ => "",
    }
}

/// Returns the address without its port, whatever the port is.
pub(super) fn host(address: &Option<Address>) -> &str {
    socket(address).map_or("", |(host, _)| host)
}

fn socket(address: &Option<Address>) -> Option<(&str, u32)> {
    let AddressKind::SocketAddress(socket) = address.as_ref()?.address.as_ref()?;
    match socket.port_specifier {
        Some(PortSpecifier::PortValue(port)) => Some((&socket.address, port)),
        _ => Some((&socket.address, 0)),
    }
}

/// Returns the first URI SAN of a certificate.
pub(super) fn principal(certificate: Option<&CertificateProperties>) -> String {
    let names = certificate.map_or(&[][..], |certificate| &certificate.subject_alt_name);
    let uri = names.iter().find_map(|name| match name.san.as_ref()? {
        San::Uri(uri) => Some(text(uri)),
        San::Dns(_) => None,
    });
    uri.unwrap_or_default()
}
