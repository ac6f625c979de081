//! The peer as Istio's metadata exchange knows it.
//!
//! In: an edge, and the attributes of its request. Out: the edge with the peer's own labels. Always holds: what the peer
//! says of itself outranks what the control plane says of its endpoint, since that lacks `app` and `version`; where no peer
//! is ever there, as in every Envoy but Istio's, it is soon not asked for any more.
//!
//! Source: Istio's peer metadata filters; which release leaves what where stands at [`crate::attributes::PeerObject`], the
//! field tokens in `extensions/common/metadata_object.h`. An object that is no map (another filter may have set a text of
//! that name) has no fields, and is then no peer.
//!
//! Field by field it costs a host call each, but only where an edge is new; an expression for it would cost every proxy
//! 0.8 MB (`docs/performance.md`).

use crate::attributes::{Attribute, Attributes, PeerObject};
use crate::record::record::{Edge, Peer, Reporter, bounded};

/// Where a called side looks.
const DOWNSTREAM: [PeerObject; 2] = [PeerObject::Downstream, PeerObject::DownstreamOld];
/// Where a calling side looks.
const UPSTREAM: [PeerObject; 4] = [
    PeerObject::Upstream,
    PeerObject::UpstreamOld,
    PeerObject::UpstreamOfConnection,
    PeerObject::UpstreamOfConnectionOld,
];

/// EdgeInterner without a peer after which none is expected.
const MISSES_MAX: u32 = 32;

/// Whether there is an exchange in this proxy.
#[derive(Debug, Default)]
pub struct PeerMetadata {
    misses: u32,
}

impl PeerMetadata {
    /// Completes the peer of an edge, if it was told.
    pub fn complete(&mut self, edge: &mut Edge, attributes: &impl Attributes) {
        if self.misses >= MISSES_MAX {
            return;
        }
        let objects = match edge.reporter {
            Reporter::Destination => DOWNSTREAM.as_slice(),
            _ => &UPSTREAM,
        };
        let found = objects.iter().any(|object| complete(&mut edge.peer, *object, attributes));
        // One that was found is worth the search for ever.
        self.misses = if found { 0 } else { self.misses.saturating_add(1) };
    }
}

/// Completes a peer by an object of the exchange; `false` when it is not there.
fn complete(peer: &mut Peer, object: PeerObject, attributes: &impl Attributes) -> bool {
    let field = |name| attributes.text(Attribute::Peer(object, name)).map(|text| bounded(&text));
    let Some(workload) = field("workload") else { return false };
    peer.workload = workload;
    for (told, name) in [
        (&mut peer.namespace, "namespace"),
        (&mut peer.canonical_service, "service"),
        (&mut peer.canonical_revision, "revision"),
        (&mut peer.app, "app"),
        (&mut peer.version, "version"),
        (&mut peer.cluster, "cluster"),
    ] {
        *told = field(name).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{MISSES_MAX, PeerMetadata};
    use crate::attributes::fake::FakeAttributes;
    use crate::record::record::{Edge, Reporter};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// What each Istio leaves in, the peer out.
    #[track_caller]
    fn check(reporter: Reporter, attributes: &str, expected: &str) {
        let mut edge = Edge { reporter, ..Edge::default() };
        edge.peer.workload = "by endpoint".to_owned();
        PeerMetadata::default().complete(&mut edge, &FakeAttributes::parse(attributes));
        let peer = &edge.peer;
        let text = [
            &peer.workload,
            &peer.namespace,
            &peer.canonical_service,
            &peer.canonical_revision,
            &peer.app,
            &peer.version,
            &peer.cluster,
        ];
        assert_eq!(text.map(String::as_str).join(" "), expected);
    }

    #[test]
    fn since_istio_1_29_there_are_two_objects_and_the_cheap_one_is_read() {
        check(
            Reporter::Source,
            "xds.listener_direction = 2
             filter_state.upstream_peer_obj.workload = payments-v2
             filter_state.upstream_peer_obj.namespace = shop
             filter_state.upstream_peer_obj.service = payments
             filter_state.upstream_peer_obj.revision = v2
             filter_state.upstream_peer_obj.app = payments
             filter_state.upstream_peer_obj.version = v2
             filter_state.upstream_peer_obj.cluster = Kubernetes
             filter_state.upstream_peer.workload = as a Struct",
            "payments-v2 shop payments v2 payments v2 Kubernetes",
        );
    }

    #[test]
    fn from_istio_1_24_to_1_28_there_is_one_with_the_same_fields() {
        check(
            Reporter::Destination,
            "xds.listener_direction = 1
             filter_state.downstream_peer.workload = shop
             filter_state.downstream_peer.namespace = shop
             filter_state.downstream_peer.service = shop
             filter_state.downstream_peer.revision = v1
             filter_state.downstream_peer.app = shop
             filter_state.downstream_peer.version = v1
             filter_state.downstream_peer.cluster = c1",
            "shop shop shop v1 shop v1 c1",
        );
    }

    #[test]
    fn over_tcp_a_caller_finds_it_on_the_connection_to_the_other_proxy() {
        check(
            Reporter::Source,
            "xds.listener_direction = 2
             upstream_filter_state.upstream_peer.workload = ledger-v1
             upstream_filter_state.upstream_peer.namespace = shop",
            "ledger-v1 shop     ",
        );
    }

    #[test]
    fn a_pod_without_labels_says_what_it_has() {
        check(
            Reporter::Destination,
            "xds.listener_direction = 1
             filter_state.downstream_peer_obj.workload = job
             filter_state.downstream_peer_obj.namespace = batch",
            "job batch     ",
        );
    }

    #[test]
    fn without_a_peer_the_endpoint_has_the_last_word() {
        check(Reporter::Source, "xds.listener_direction = 2", "by endpoint      ");
        // What Envoy's own `set_filter_state` leaves is a text, and no object.
        check(
            Reporter::Source,
            "xds.listener_direction = 2\nfilter_state.upstream_peer = a text",
            "by endpoint      ",
        );
    }

    #[test]
    fn where_none_is_ever_there_none_is_asked_for() {
        let table = FakeAttributes::parse("xds.listener_direction = 2");
        let mut exchange = PeerMetadata::default();
        for _ in 0..2 * MISSES_MAX {
            exchange.complete(&mut Edge { reporter: Reporter::Source, ..Edge::default() }, &table);
        }
        assert_eq!(table.calls.get(), 4 * MISSES_MAX);
    }
}
