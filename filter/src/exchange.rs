//! The peer as Istio's metadata exchange knows it.
//!
//! In: an edge, and the attributes of its request. Out: the edge with the peer's own labels. Always holds: what the peer
//! says of itself outranks what the control plane says of its endpoint, since that lacks `app` and `version`; where no peer
//! is ever there, as in every Envoy but Istio's, it is soon not asked for any more.
//!
//! Source: Istio's peer metadata filters; which release leaves what where stands at [`crate::attributes::PeerObject`]. It
//! makes no difference here: one expression reads the objects of all releases, and an object that is no map (another
//! filter may have set a text of that name) makes the expression fail, and is then no peer.

use crate::answer::Answer;
use crate::attributes::Attributes;
use crate::question::{PEER_VALUES, Question};
use crate::record::{Edge, Reporter, bounded};

/// Edges without a peer after which none is expected.
const MISSES_MAX: u32 = 32;

/// Whether there is an exchange in this proxy.
#[derive(Debug, Default)]
pub struct Exchange {
    misses: u32,
}

impl Exchange {
    /// Completes the peer of an edge, if it was told.
    pub fn complete(&mut self, edge: &mut Edge, attributes: &impl Attributes) {
        if self.misses >= MISSES_MAX {
            return;
        }
        let question = match edge.reporter {
            Reporter::Destination => Question::DownstreamPeer,
            _ => Question::UpstreamPeer,
        };
        let answer = attributes.evaluate(question).unwrap_or_else(|| question.ask_one_by_one(attributes));
        let Some(mut answer) = Answer::read(&answer, PEER_VALUES) else { return };
        let mut text = || bounded(&String::from_utf8_lossy(answer.bytes()));
        let workload = text();
        if workload.is_empty() {
            self.misses = self.misses.saturating_add(1);
            return;
        }
        // One that was found is worth the search for ever.
        self.misses = 0;
        let peer = &mut edge.peer;
        peer.workload = workload;
        for told in [
            &mut peer.namespace,
            &mut peer.canonical_service,
            &mut peer.canonical_revision,
            &mut peer.app,
            &mut peer.version,
            &mut peer.cluster,
        ] {
            *told = text();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exchange, MISSES_MAX};
    use crate::attributes::table::Table;
    use crate::record::{Edge, Reporter};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// What each Istio leaves, with expressions and without.
    #[track_caller]
    fn check(reporter: Reporter, attributes: &str, expected: &str) {
        for has_expressions in [true, false] {
            let table = Table::parse(attributes);
            let table = if has_expressions { table } else { table.without_expressions() };
            let mut edge = Edge { reporter, ..Edge::default() };
            edge.peer.workload = "by endpoint".to_owned();
            Exchange::default().complete(&mut edge, &table);
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
            assert_eq!(text.map(String::as_str).join(" "), expected, "expressions: {has_expressions}");
        }
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
        let table = Table::parse("xds.listener_direction = 2");
        let mut exchange = Exchange::default();
        for _ in 0..2 * MISSES_MAX {
            exchange.complete(&mut Edge { reporter: Reporter::Source, ..Edge::default() }, &table);
        }
        assert_eq!(table.calls.get(), MISSES_MAX);
    }
}
