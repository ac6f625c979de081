//! The identity and the location of this proxy, read once per VM.
//!
//! In: the node's attributes. Out: a `v1::Identity` of the contract.
//! Invariant: the identity rests on the node's own metadata alone; an attribute that is missing
//! there stays empty (Istio leaves its own labels empty, too). The canonical service and revision
//! are those that istiod gives to the peers of this proxy.
//!
//! Source: Istio's node metadata, `pkg/model/proxy.go`, and its canonical names,
//! `pkg/config/labels`; the node id is `kind~address~pod.namespace~domain`.

use crate::attributes::{Attribute, Attributes};
use crate::batch::EncodedMessage;
use crate::config::ProxyLocation;
use crate::record::named_revision;
use crate::text::format::line;

/// The most reported addresses; a pod has one per family and network.
const ADDRESSES_MAX: usize = 16;

/// The attributes of the identity's fields, from field 1 on; the first one that is present counts.
const NAMES: [&[Attribute]; 11] = [
    &[Attribute::NodeMetadata("WORKLOAD_NAME")],
    &[Attribute::NodeMetadata("NAMESPACE")],
    &[Attribute::NodeLabel("app")],
    &[Attribute::NodeLabel("version")],
    &[
        Attribute::NodeLabel("service.istio.io/canonical-name"),
        Attribute::NodeLabel("app.kubernetes.io/name"),
        Attribute::NodeLabel("app"),
        Attribute::NodeMetadata("WORKLOAD_NAME"),
    ],
    &[
        Attribute::NodeLabel("service.istio.io/canonical-revision"),
        Attribute::NodeLabel("app.kubernetes.io/version"),
        Attribute::NodeLabel("version"),
    ],
    &[Attribute::NodeMetadata("SERVICE_ACCOUNT")],
    &[Attribute::NodeMetadata("CLUSTER_ID")],
    &[Attribute::NodeMetadata("MESH_ID")],
    &[Attribute::NodeMetadata("NAME")],
    &[Attribute::NodeMetadata("NODE_NAME")],
];

/// The field `canonical_revision`.
const CANONICAL_REVISION: u32 = 6;

/// The node id when Envoy was started without one.
const UNNAMED: &str = "unnamed";

/// The identity of this proxy, as reports carry it.
#[derive(Debug, Clone, Default)]
pub struct ProxyIdentity {
    /// Envoy's node id.
    pub node_id: String,
    /// The encoded `v1::Identity`.
    pub identity: EncodedMessage,
}

impl ProxyIdentity {
    /// Reads the identity; `config_hash` is the hash of the plugin configuration in force.
    pub fn read(attributes: &impl Attributes, config_hash: u64) -> Self {
        Self {
            node_id: attributes.text(Attribute::NodeId).unwrap_or_else(|| UNNAMED.to_owned()),
            identity: encode(attributes, config_hash),
        }
    }
}

/// Encodes the `v1::Identity`.
fn encode(attributes: &impl Attributes, config_hash: u64) -> EncodedMessage {
    let mut message = EncodedMessage::default();
    for (field, names) in (1..).zip(NAMES) {
        let text = names.iter().find_map(|attribute| attributes.text(*attribute)).unwrap_or_default();
        message.text(field, if field == CANONICAL_REVISION { named_revision(&text) } else { &text });
    }
    let node_id = text(attributes, Attribute::NodeId);
    let mut id_parts = node_id.split('~');
    let kind = id_parts.next().unwrap_or_default();
    let own_address = id_parts.next().unwrap_or_default();
    let instance_ips = text(attributes, Attribute::NodeMetadata("INSTANCE_IPS"));
    for address in addresses(own_address, &instance_ips) {
        message.bytes(12, address.as_bytes());
    }
    message.text(13, &region(attributes));
    message.text(14, &zone(attributes));
    message.text(15, if own_address.is_empty() { "" } else { kind });
    message.text(16, &text(attributes, Attribute::NodeMetadata("ISTIO_VERSION")));
    message.text(17, env!("CARGO_PKG_VERSION"));
    message.fixed(18, config_hash);
    // The source is a filter, which is 0.
    message
}

/// Returns the location of this proxy, which selects the overrides of the configuration.
pub fn location(attributes: &impl Attributes) -> ProxyLocation {
    let metadata = |key| text(attributes, Attribute::NodeMetadata(key));
    ProxyLocation {
        workload: line!(metadata("NAMESPACE"), "/", metadata("WORKLOAD_NAME")),
        sites: [metadata("CLUSTER_ID"), region(attributes), zone(attributes)],
        is_waypoint: attributes.text(Attribute::NodeId).is_some_and(|id| id.starts_with("waypoint~")),
    }
}

/// Returns a text; empty where it is missing. Not inlined, because V8 needs memory for large
/// functions.
#[inline(never)]
fn text(attributes: &impl Attributes, attribute: Attribute) -> String {
    attributes.text(attribute).unwrap_or_default()
}

fn region(attributes: &impl Attributes) -> String {
    locality(attributes, Attribute::NodeRegion, "topology.kubernetes.io/region")
}

fn zone(attributes: &impl Attributes) -> String {
    locality(attributes, Attribute::NodeZone, "topology.kubernetes.io/zone")
}

/// Returns a part of the locality. Istio's sidecars have no locality of their own, but Kubernetes
/// copies the labels of the node onto the pod.
fn locality(attributes: &impl Attributes, own: Attribute, label: &'static str) -> String {
    let own = attributes.text(own).filter(|own| !own.is_empty());
    own.or_else(|| attributes.text(Attribute::NodeLabel(label))).unwrap_or_default()
}

/// Returns the address of the node id, then `INSTANCE_IPS`, without duplicates.
fn addresses<'a>(own: &'a str, instance_ips: &'a str) -> Vec<&'a str> {
    let mut addresses = Vec::new();
    for address in std::iter::once(own).chain(instance_ips.split(',')).map(str::trim) {
        if !address.is_empty() && addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use crate::attributes::fake::FakeAttributes;
    use hopscope_proto::v1::Identity;
    use prost::Message;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(attributes: &str, config_hash: u64) -> Identity {
        let bytes = super::encode(&FakeAttributes::parse(attributes), config_hash).into_bytes();
        let identity = Identity::decode(bytes.as_slice()).unwrap();
        assert_eq!(identity.encode_to_vec(), bytes);
        identity
    }

    #[test]
    fn the_identity_of_an_injected_sidecar() {
        let identity = read(
            "xds.node.id = sidecar~10.244.0.2~shop-v1-7d9c.shop~shop.svc.cluster.local
                 xds.node.metadata.WORKLOAD_NAME = shop-v1
                 xds.node.metadata.NAMESPACE = shop
                 xds.node.metadata.NAME = shop-v1-7d9c
                 xds.node.metadata.SERVICE_ACCOUNT = shop
                 xds.node.metadata.INSTANCE_IPS = 10.244.0.2,fd00::2
                 xds.node.metadata.LABELS.app = shop
                 xds.node.metadata.LABELS.version = v1
                 xds.node.metadata.LABELS.service.istio.io/canonical-name = shop
                 xds.node.metadata.LABELS.topology.kubernetes.io/region = eu-1
                 xds.node.metadata.LABELS.topology.kubernetes.io/zone = eu-1a
                 xds.node.metadata.ISTIO_VERSION = 1.31.0",
            7,
        );
        assert_eq!((identity.kind.as_str(), identity.workload.as_str()), ("sidecar", "shop-v1"));
        assert_eq!((identity.app.as_str(), identity.version.as_str()), ("shop", "v1"));
        assert_eq!(identity.canonical_service, "shop");
        assert_eq!(identity.canonical_revision, "v1");
        assert_eq!((identity.region.as_str(), identity.zone.as_str()), ("eu-1", "eu-1a"));
        assert_eq!(identity.addresses, ["10.244.0.2", "fd00::2"]);
        assert_eq!(identity.config_hash, 7);
    }

    /// Checks the version and the canonical names of a pod with these labels.
    #[track_caller]
    fn check_names(labels: &str, expected: &str) {
        let labels: String =
            labels.lines().map(|label| format!("xds.node.metadata.LABELS.{}\n", label.trim())).collect();
        let identity = read(&format!("xds.node.metadata.WORKLOAD_NAME = pay-v1\n{labels}"), 0);
        let Identity { version, canonical_service, canonical_revision, .. } = identity;
        assert_eq!(format!("{version}/{canonical_service}/{canonical_revision}"), expected);
    }

    #[test]
    fn the_canonical_names_are_those_of_istiod() {
        check_names(
            "app.kubernetes.io/version = 1.4.2\napp.kubernetes.io/name = payments",
            "/payments/1.4.2",
        );
        check_names("service.istio.io/canonical-revision = 1.4.2", "/pay-v1/1.4.2");
        check_names("app = payments\nversion = v2", "v2/payments/v2");
        // istiod leaves it out of the endpoint's metadata, and the injector adds it to the labels.
        check_names("app = payments\nservice.istio.io/canonical-revision = latest", "/payments/");
    }

    #[test]
    fn the_identity_of_a_plain_envoy_is_nearly_empty() {
        let identity = read("xds.node.id = edge-1", 0);
        assert_eq!((identity.kind.as_str(), identity.workload.as_str()), ("", ""));
        assert!(identity.addresses.is_empty());
    }
}
