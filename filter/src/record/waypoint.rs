//! Requests at an Istio waypoint, which stands between both sides of a call.
//!
//! A waypoint's requests arrive on an inbound listener, so that their stream info is that of a
//! destination. The reported peer is the workload behind the waypoint. The upstream address is read
//! apart, because the requests of one connection go to many pods.

use super::stream_info::StreamInfo;

/// Returns the stream info of the request from the waypoint to its upstream.
pub(super) fn upstream_info<'a>(info: &StreamInfo<'a>, upstream: &'a [u8]) -> StreamInfo<'a> {
    StreamInfo { is_destination: false, address: upstream, route: info.cluster, connection: 0, ..*info }
}

/// Returns whether the request reached its upstream.
pub(super) fn is_reached(info: &StreamInfo) -> bool {
    info.response_flags == 0 && !info.address.is_empty()
}
