//! EdgeInterner as an Istio waypoint sees them: it stands between both sides, and its peer is the destination.
//!
//! In: the facts of a request, and the attributes. Out: an edge that names the called side as a source would. Always holds:
//! a waypoint's requests come in on an inbound listener, so the facts are those of a destination; where they went is
//! asked for besides, since one connection's requests go to many pods.

use super::RecordBuilder;
use crate::attributes::{Attribute, Attributes};
use crate::record::edge_cache::{CacheKey, Cached};
use crate::record::record::{Edge, Reporter};
use crate::record::stream_info::StreamInfo;
use std::rc::Rc;

impl RecordBuilder {
    /// The edge of a request at a waypoint.
    pub(super) fn waypoint_edge(
        &mut self,
        attributes: &impl Attributes,
        facts: &StreamInfo,
        now_us: u64,
    ) -> Rc<Edge> {
        let upstream = attributes.bytes(Attribute::UpstreamAddress).unwrap_or_default();
        let cluster = facts.cluster;
        let onward =
            StreamInfo { is_destination: false, address: &upstream, route: cluster, connection: 0, ..*facts };
        let name = CacheKey::new(&onward, &upstream);
        let reached = onward.response_flags == 0 && !onward.address.is_empty();
        if reached && let Some(Cached::Edge(edge)) = self.memo.look_up(&name, now_us) {
            return edge;
        }
        let edge = Edge { reporter: Reporter::Waypoint, ..self.read_edge(attributes, &onward) };
        if reached { self.remembered(&name, edge, now_us) } else { Rc::new(edge) }
    }
}
