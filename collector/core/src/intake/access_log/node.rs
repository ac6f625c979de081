//! Client of an access log stream: its identity and reporter.
//!
//! In: the identifier in the first message of a stream.
//! Out: the identity, from the node metadata that the filter also reads, and the reporter, if the
//! name of the log declares one.
//! Invariant: every text is within the limit; the name of the proxy is not empty.

use super::error::Error;
use super::text::bounded;
use crate::intake::proto_fields::InvalidField;
use hopscope_proto::envoy::config::core::v3::Node;
use hopscope_proto::envoy::service::accesslog::v3::stream_access_logs_message::Identifier;
use hopscope_proto::v1::{Identity, Reporter, Source};
use prost::Message;
use prost_types::Struct;
use prost_types::value::Kind;

/// Maximum addresses of an identity.
const ADDRESSES_MAX: usize = 16;

/// Client of an access log stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Client {
    /// Node id.
    pub(super) proxy: String,
    pub(super) identity: Identity,
    /// Reporter that the name of the log declares.
    pub(super) declared: Option<Reporter>,
}

/// Reads an `Identifier`. `fallback_name` is the name of a node without id.
pub(super) fn read(bytes: &[u8], fallback_name: &str) -> Result<Client, Error> {
    let identifier = Identifier::decode(bytes).map_err(|_| InvalidField("the identifier is invalid"))?;
    let node = identifier.node.unwrap_or_default();
    let id = if node.id.is_empty() { fallback_name } else { &node.id };
    let kind = id.split_once('~').map_or("", |(kind, _)| kind);
    let declared = match identifier.log_name.as_str() {
        _ if kind == "waypoint" => Some(Reporter::Waypoint),
        name if name.ends_with("inbound") => Some(Reporter::Destination),
        name if name.ends_with("outbound") => Some(Reporter::Source),
        // A gateway has no local application, so that it is always the source.
        _ if kind == "router" => Some(Reporter::Source),
        _ => None,
    };
    Ok(Client { proxy: bounded(id).to_owned(), identity: identity(&node), declared })
}

fn identity(node: &Node) -> Identity {
    let none = Struct::default();
    let metadata = node.metadata.as_ref().unwrap_or(&none);
    let labels = match metadata.fields.get("LABELS").and_then(|value| value.kind.as_ref()) {
        Some(Kind::StructValue(labels)) => labels,
        _ => &none,
    };
    let locality = node.locality.clone().unwrap_or_default();
    let workload = text(metadata, "WORKLOAD_NAME");
    let mut id = node.id.split('~');
    let (kind, address) = (id.next().unwrap_or_default(), id.next().unwrap_or_default());
    Identity {
        // Outside Istio, only the service cluster names the workload.
        workload: if workload.is_empty() { bounded(&node.cluster).to_owned() } else { workload },
        namespace: text(metadata, "NAMESPACE"),
        app: text(labels, "app"),
        version: text(labels, "version"),
        canonical_service: text(labels, "service.istio.io/canonical-name"),
        canonical_revision: text(labels, "service.istio.io/canonical-revision"),
        service_account: text(metadata, "SERVICE_ACCOUNT"),
        cluster: text(metadata, "CLUSTER_ID"),
        mesh: text(metadata, "MESH_ID"),
        instance: text(metadata, "NAME"),
        node: text(metadata, "NODE_NAME"),
        addresses: addresses(address, &text(metadata, "INSTANCE_IPS")),
        region: bounded(&locality.region).to_owned(),
        zone: bounded(&locality.zone).to_owned(),
        kind: if address.is_empty() { String::new() } else { bounded(kind).to_owned() },
        istio_version: text(metadata, "ISTIO_VERSION"),
        source: Source::AccessLog.into(),
        ..Identity::default()
    }
}

fn text(metadata: &Struct, key: &str) -> String {
    match metadata.fields.get(key).and_then(|value| value.kind.as_ref()) {
        Some(Kind::StringValue(text)) => bounded(text).to_owned(),
        _ => String::new(),
    }
}

/// Returns the address of the node id, then `INSTANCE_IPS`, without duplicates.
fn addresses(own: &str, instance_ips: &str) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::new();
    for address in std::iter::once(own).chain(instance_ips.split(',')).map(str::trim) {
        if !address.is_empty() && addresses.len() < ADDRESSES_MAX && !addresses.iter().any(|a| a == address) {
            addresses.push(bounded(address).to_owned());
        }
    }
    addresses
}
