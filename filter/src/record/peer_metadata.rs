//! The peer's metadata from Istio's metadata exchange.
//!
//! In: an edge, and the attributes of its request. Out: the edge with the peer's own labels.
//! Invariant: the peer's own metadata takes precedence over the endpoint's, which lacks `app` and
//! `version`. Where no peer ever had metadata, as in any Envoy without Istio, few edges are tried;
//! after the first metadata every new edge is.
//!
//! Source: Istio's peer metadata filters. [`PeerObject`] lists the objects by release; the field
//! names stand in `extensions/common/metadata_object.h`. An object that is not a map has no fields
//! and counts as absent: another filter may have set a text of that name.
//!
//! Reading costs a host call per field, for new edges only. An expression would cost every proxy
//! 0.8 MB (`docs/performance.md`).

use super::edge::{Edge, Peer, Reporter, named_revision};
use super::truncate::truncated;
use crate::attributes::{Attribute, Attributes, PeerObject};

/// The objects at a destination.
const DOWNSTREAM: [PeerObject; 2] = [PeerObject::Downstream, PeerObject::DownstreamOld];
/// The objects at a source.
const UPSTREAM: [PeerObject; 4] = [
    PeerObject::Upstream,
    PeerObject::UpstreamOld,
    PeerObject::UpstreamOfConnection,
    PeerObject::UpstreamOfConnectionOld,
];

/// Edges without metadata until only some of the edges are tried.
const MISSES_MAX: u32 = 32;
/// Of so many edges one is tried then. Peers may get sidecars, and an edge is read again after
/// 30 s.
const TRY_INTERVAL: u32 = 8;

/// Reads peer metadata where this proxy has any.
#[derive(Debug, Default)]
pub(super) struct PeerMetadata {
    /// Edges without metadata, while no peer had any.
    misses: u32,
    was_found: bool,
}

impl PeerMetadata {
    /// Completes the peer of an edge, where its metadata is present.
    pub(super) fn complete(&mut self, edge: &mut Edge, attributes: &impl Attributes) {
        if !self.was_found {
            self.misses = self.misses.wrapping_add(1);
            if self.misses > MISSES_MAX && !self.misses.is_multiple_of(TRY_INTERVAL) {
                return;
            }
        }
        let objects = match edge.reporter {
            Reporter::Destination => DOWNSTREAM.as_slice(),
            _ => &UPSTREAM,
        };
        self.was_found |= objects.iter().any(|object| complete(&mut edge.peer, *object, attributes));
    }
}

/// Completes a peer from one object; `false` when the object is absent.
fn complete(peer: &mut Peer, object: PeerObject, attributes: &impl Attributes) -> bool {
    let field = |name| attributes.text(Attribute::Peer(object, name)).map(|text| truncated(&text));
    let Some(workload) = field("workload") else { return false };
    peer.workload = workload;
    for (text, name) in [
        (&mut peer.namespace, "namespace"),
        (&mut peer.canonical_service, "service"),
        (&mut peer.canonical_revision, "revision"),
        (&mut peer.app, "app"),
        (&mut peer.version, "version"),
        (&mut peer.cluster, "cluster"),
    ] {
        *text = field(name).unwrap_or_default();
    }
    if named_revision(&peer.canonical_revision).is_empty() {
        peer.canonical_revision.clear();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{Edge, Reporter};
    use super::{MISSES_MAX, PeerMetadata, TRY_INTERVAL};
    use crate::attributes::fake::FakeAttributes;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Checks the peer that is read from the objects of one Istio release.
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
    fn since_istio_1_29_the_cheaper_of_two_objects_is_read() {
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
    fn from_istio_1_24_to_1_28_one_object_has_the_fields() {
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
    fn over_tcp_a_source_reads_the_upstream_connection() {
        check(
            Reporter::Source,
            "xds.listener_direction = 2
             upstream_filter_state.upstream_peer.workload = ledger-v1
             upstream_filter_state.upstream_peer.namespace = shop",
            "ledger-v1 shop     ",
        );
    }

    #[test]
    fn missing_labels_stay_empty() {
        check(
            Reporter::Destination,
            "xds.listener_direction = 1
             filter_state.downstream_peer_obj.workload = job
             filter_state.downstream_peer_obj.revision = latest
             filter_state.downstream_peer_obj.namespace = batch",
            "job batch     ",
        );
    }

    #[test]
    fn without_an_object_the_endpoint_metadata_stays() {
        check(Reporter::Source, "xds.listener_direction = 2", "by endpoint      ");
        // Envoy's own `set_filter_state` stores a text.
        check(
            Reporter::Source,
            "xds.listener_direction = 2\nfilter_state.upstream_peer = a text",
            "by endpoint      ",
        );
    }

    const NONE: &str = "xds.listener_direction = 1";
    const FOUND: &str = "xds.listener_direction = 1\nfilter_state.downstream_peer_obj.workload = shop";

    /// Reads the peers of new edges, and returns the workloads.
    fn workloads(edges: &[&str]) -> Vec<String> {
        let mut peers = PeerMetadata::default();
        let workload = |attributes: &&str| {
            let mut edge = Edge { reporter: Reporter::Destination, ..Edge::default() };
            peers.complete(&mut edge, &FakeAttributes::parse(attributes));
            edge.peer.workload
        };
        edges.iter().map(workload).collect()
    }

    #[test]
    fn few_edges_are_tried_where_no_peer_has_metadata() {
        let table = FakeAttributes::parse("xds.listener_direction = 2");
        let mut peers = PeerMetadata::default();
        for _ in 0..2 * MISSES_MAX {
            peers.complete(&mut Edge { reporter: Reporter::Source, ..Edge::default() }, &table);
        }
        assert_eq!(table.calls.get(), 4 * (MISSES_MAX + MISSES_MAX / TRY_INTERVAL));
    }

    #[test]
    fn after_many_edges_without_metadata_the_next_metadata_is_read() {
        let edges = [vec![FOUND], vec![NONE; 32], vec![FOUND]].concat();
        assert_eq!(workloads(&edges).last().unwrap(), "shop");
        let edges = [vec![FOUND], vec![NONE; 10_000], vec![FOUND]].concat();
        assert_eq!(workloads(&edges).last().unwrap(), "shop");
    }

    #[test]
    fn the_first_metadata_after_many_edges_without_is_read_within_some_edges() {
        let edges = [vec![NONE; 10_000], vec![FOUND; TRY_INTERVAL as usize + 1]].concat();
        assert_eq!(workloads(&edges).last().unwrap(), "shop");
    }
}
