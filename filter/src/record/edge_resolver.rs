//! The resolution of edges, through the cache.
//!
//! In: the stream info of a request, and its attributes. Out: the edge.
//! Invariant: an edge whose host was not reached is read each time and never cached.

use super::edge::{Edge, Reporter};
use super::edge_attributes::read_edge;
use super::edge_cache::{CacheKey, Cached, EdgeCache};
use super::peer_metadata::PeerMetadata;
use super::stream_info::StreamInfo;
use super::waypoint;
use crate::attributes::{Attribute, Attributes, Expression, evaluate_each};
use std::rc::Rc;

/// The cache, and the peers' metadata.
#[derive(Debug, Default)]
pub(super) struct EdgeResolver {
    cache: EdgeCache,
    peer_metadata: PeerMetadata,
    /// The metadata of TCP connections, which Istio exchanges by other means than that of requests.
    connection_metadata: PeerMetadata,
    is_waypoint: bool,
}

impl EdgeResolver {
    /// Sets whether the proxy is an Istio waypoint.
    pub(super) fn set_waypoint(&mut self, is_waypoint: bool) {
        self.is_waypoint = is_waypoint;
    }

    /// Resolves the edge of a request.
    pub(super) fn resolve(
        &mut self,
        attributes: &impl Attributes,
        info: &StreamInfo,
        now_us: u64,
    ) -> Rc<Edge> {
        if self.is_waypoint {
            return self.resolve_at_waypoint(attributes, info, now_us);
        }
        let key = CacheKey::new(info, b"");
        if info.is_destination {
            return match self.cache.get(&key, now_us) {
                Some(Cached::Edge(edge)) => edge,
                _ => {
                    let edge = self.read(attributes, info);
                    self.insert(&key, edge, now_us)
                }
            };
        }
        if info.response_flags != 0 || info.address.is_empty() {
            return Rc::new(self.read(attributes, info));
        }
        match self.cache.get(&key, now_us) {
            Some(Cached::Edge(edge)) => return edge,
            Some(Cached::ByAuthority) => {}
            None => {
                let edge = self.read(attributes, info);
                if edge.service.is_independent_of_the_request() {
                    return self.insert(&key, edge, now_us);
                }
                self.cache.insert(&key, Cached::ByAuthority, now_us);
                return Rc::new(edge);
            }
        }
        let authority = attributes.evaluate(Expression::Authority);
        let authority = authority.unwrap_or_else(|| evaluate_each(Expression::Authority, attributes));
        let key = CacheKey::new(info, &authority);
        match self.cache.get(&key, now_us) {
            Some(Cached::Edge(edge)) => edge,
            _ => {
                let edge = self.read(attributes, info);
                self.insert(&key, edge, now_us)
            }
        }
    }

    /// Resolves the edge of an established TCP connection.
    pub(super) fn resolve_connection(
        &mut self,
        attributes: &impl Attributes,
        info: &StreamInfo,
        now_us: u64,
    ) -> Rc<Edge> {
        std::mem::swap(&mut self.peer_metadata, &mut self.connection_metadata);
        let edge = self.resolve(attributes, info, now_us);
        std::mem::swap(&mut self.peer_metadata, &mut self.connection_metadata);
        edge
    }

    /// Resolves the edge to the workload behind a waypoint.
    fn resolve_at_waypoint(
        &mut self,
        attributes: &impl Attributes,
        info: &StreamInfo,
        now_us: u64,
    ) -> Rc<Edge> {
        let upstream = attributes.bytes(Attribute::UpstreamAddress).unwrap_or_default();
        let info = waypoint::upstream_info(info, &upstream);
        let key = CacheKey::new(&info, &upstream);
        let is_reached = waypoint::is_reached(&info);
        if is_reached && let Some(Cached::Edge(edge)) = self.cache.get(&key, now_us) {
            return edge;
        }
        let edge = Edge { reporter: Reporter::Waypoint, ..self.read(attributes, &info) };
        if is_reached { self.insert(&key, edge, now_us) } else { Rc::new(edge) }
    }

    fn read(&mut self, attributes: &impl Attributes, info: &StreamInfo) -> Edge {
        let mut edge = read_edge(attributes, info);
        // An upstream sends its metadata with its response.
        if info.is_destination || info.response_flags == 0 {
            self.peer_metadata.complete(&mut edge, attributes);
        }
        edge
    }

    fn insert(&mut self, key: &CacheKey<'_>, edge: Edge, now_us: u64) -> Rc<Edge> {
        let edge = Rc::new(edge);
        self.cache.insert(key, Cached::Edge(Rc::clone(&edge)), now_us);
        edge
    }
}
