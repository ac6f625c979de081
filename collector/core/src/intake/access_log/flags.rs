//! Conversion of response flags from a message of booleans to the bitmap.
//!
//! In: the flags of an entry.
//! Out: bit i for `CoreResponseFlag` i, as the filter reports it.
//! Invariant: field i + 1 of the message is bit i, except field 28 (DR), which is bit 28. The
//! access log has no field for bits 27 (DO) and 29 (UDO), so that these flags are not reported.
//!
//! Source: `CoreResponseFlag` in Envoy's `stream_info.h`, and
//! `responseFlagsToAccessLogResponseFlags`.

use hopscope_proto::envoy::data::accesslog::v3::ResponseFlags;

/// Returns the bitmap of response flags.
pub(super) fn bits(flags: &ResponseFlags) -> u64 {
    let in_order = [
        flags.failed_local_healthcheck,
        flags.no_healthy_upstream,
        flags.upstream_request_timeout,
        flags.local_reset,
        flags.upstream_remote_reset,
        flags.upstream_connection_failure,
        flags.upstream_connection_termination,
        flags.upstream_overflow,
        flags.no_route_found,
        flags.delay_injected,
        flags.fault_injected,
        flags.rate_limited,
        flags.unauthorized_details.is_some(),
        flags.rate_limit_service_error,
        flags.downstream_connection_termination,
        flags.upstream_retry_limit_exceeded,
        flags.stream_idle_timeout,
        flags.invalid_envoy_request_headers,
        flags.downstream_protocol_error,
        flags.upstream_max_stream_duration_reached,
        flags.response_from_cache_filter,
        flags.no_filter_config_found,
        flags.duration_timeout,
        flags.upstream_protocol_error,
        flags.no_cluster_found,
        flags.overload_manager,
        flags.dns_resolution_failure,
    ];
    let bits = in_order.into_iter().enumerate().filter(|(_, set)| *set);
    let bits = bits.fold(0_u64, |bits, (bit, _)| bits | 1 << bit);
    bits | u64::from(flags.downstream_remote_reset) << 28
}
