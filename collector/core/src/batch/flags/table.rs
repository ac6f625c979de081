//! Table of Envoy's response flags in the order of their bits.

use super::flag::{Fault, Flag};

const fn flag(
    (bit, name): (u32, &'static str),
    long: &'static str,
    fault: Fault,
    meaning: &'static str,
    first: &'static str,
) -> Flag {
    Flag { bit, name, long, meaning, fault, first }
}

/// Response flags of Envoy 1.40.
pub const FLAGS: [Flag; 30] = [
    flag(
        (0, "LH"),
        "FailedLocalHealthCheck",
        Fault::Callee,
        "The proxy answered a health check with a failure.",
        "Check the readiness of the instance; it may be draining.",
    ),
    flag(
        (1, "UH"),
        "NoHealthyUpstream",
        Fault::Callee,
        "The cluster has no endpoint to send to: none exists, none is ready, or all are ejected. The request was not sent.",
        "Count the ready pods behind the service and its subset labels; then look for preceding outlier ejections.",
    ),
    flag(
        (2, "UT"),
        "UpstreamRequestTimeout",
        Fault::Callee,
        "The route timeout or the per-try timeout passed before the response was complete. The called side logs DC or \
         DR without a code if it was still working, or a 200 if its response was already sent.",
        "Compare the durations of both sides: equal means the service is slow, a gap means the network is slow.",
    ),
    flag(
        (3, "LR"),
        "LocalReset",
        Fault::Proxy,
        "The proxy itself reset the connection.",
        "Check the proxy's log and memory; an overload or a broken filter resets streams.",
    ),
    flag(
        (4, "UR"),
        "UpstreamRemoteReset",
        Fault::Callee,
        "The called side reset the HTTP/2 stream, or the TCP connection.",
        "Check the destination's record of the same request: its flag names the cause of the reset.",
    ),
    flag(
        (5, "UF"),
        "UpstreamConnectionFailure",
        Fault::Network,
        "The connection to the endpoint failed: refused, timed out, or TLS error. The request was not sent.",
        "Read the transport failure reason: refused means no listener on the port, a timeout means no network path, TLS means \
         mismatched certificates or mTLS modes.",
    ),
    flag(
        (6, "UC"),
        "UpstreamConnectionTermination",
        Fault::Callee,
        "The called side closed the connection before it responded.",
        "At the destination: the application crashed, or closed an idle connection at the same moment. At the source \
         only: the other proxy died, does not use mTLS, or closed a connection with too many resets.",
    ),
    flag(
        (7, "UO"),
        "UpstreamOverflow",
        Fault::Configuration,
        "The cluster's circuit breaker (connections, pending or parallel requests) is full. The request was not sent.",
        "Compare the DestinationRule's connectionPool with the parallel requests; slow responses also fill it.",
    ),
    flag(
        (8, "NR"),
        "NoRouteFound",
        Fault::Configuration,
        "No route or no filter chain matches the request. The request was not sent.",
        "Compare host and path with the VirtualService and the Sidecar's egress hosts.",
    ),
    flag(
        (9, "DI"),
        "DelayInjected",
        Fault::Deliberate,
        "A fault rule delayed the request.",
        "Check for `fault.delay` in the VirtualService.",
    ),
    flag(
        (10, "FI"),
        "FaultInjected",
        Fault::Deliberate,
        "A fault rule responded instead of the service.",
        "Check for `fault.abort` in the VirtualService.",
    ),
    flag(
        (11, "RL"),
        "RateLimited",
        Fault::Deliberate,
        "A rate limit responded with 429.",
        "Compare the rate of the caller with the limit; one caller may exhaust a shared limit.",
    ),
    flag(
        (12, "UAEX"),
        "UnauthorizedExternalService",
        Fault::Deliberate,
        "The external authorization service denied the request or was unavailable.",
        "Check the code details: `ext_authz_denied` is a denial, `ext_authz_error` is an outage.",
    ),
    flag(
        (13, "RLSE"),
        "RateLimitServiceError",
        Fault::Callee,
        "The rate limit service was unavailable, and the filter is configured to deny requests in this case.",
        "Check the rate limit service.",
    ),
    flag(
        (14, "DC"),
        "DownstreamConnectionTermination",
        Fault::Caller,
        "The caller closed the connection before the response was complete.",
        "Check one hop towards the client: at a sidecar this is the trace of the caller's own timeout (UT) or of its \
         termination.",
    ),
    flag(
        (15, "URX"),
        "UpstreamRetryLimitExceeded",
        Fault::Callee,
        "All retries failed, or all connection attempts of a TCP proxy.",
        "Check the other flag and the destination's records: there is one for each attempt that arrived.",
    ),
    flag(
        (16, "SI"),
        "StreamIdleTimeout",
        Fault::Callee,
        "The stream was idle for longer than the idle timeout.",
        "Check which side should have sent next; long polls and streams need a longer idle timeout.",
    ),
    flag(
        (17, "IH"),
        "InvalidEnvoyRequestHeaders",
        Fault::Caller,
        "An `x-envoy-*` header has no valid value, and strict checking is on.",
        "Check the headers that the caller sets.",
    ),
    flag(
        (18, "DPE"),
        "DownstreamProtocolError",
        Fault::Caller,
        "The caller sent invalid HTTP.",
        "Check the code details; HTTP/1.0, oversized headers and TLS sent to a plain port are the usual causes.",
    ),
    flag(
        (19, "UMSDR"),
        "UpstreamMaxStreamDurationReached",
        Fault::Configuration,
        "The stream lasted longer than the cluster allows.",
        "Compare `maxStreamDuration` with how long the call may take.",
    ),
    flag(
        (20, "RFCF"),
        "ResponseFromCacheFilter",
        Fault::Deliberate,
        "The proxy's cache responded; the service was not called.",
        "Nothing is wrong; do not count it as traffic of the service.",
    ),
    flag(
        (21, "NFCF"),
        "NoFilterConfigFound",
        Fault::Proxy,
        "A filter's configuration did not arrive in time, so the request was rejected.",
        "Check the connection to the control plane and to the registry of the module.",
    ),
    flag(
        (22, "DT"),
        "DurationTimeout",
        Fault::Configuration,
        "The stream or connection lasted longer than the listener allows.",
        "Compare the maximal durations with how long the call may take.",
    ),
    flag(
        (23, "UPE"),
        "UpstreamProtocolError",
        Fault::Callee,
        "The called side responded with invalid HTTP, or ended the response within the body.",
        "Check whether the application closes early; a port with another protocol has the same symptom.",
    ),
    flag(
        (24, "NC"),
        "NoClusterFound",
        Fault::Configuration,
        "The route names a cluster that does not exist. The request was not sent.",
        "Check for a subset that the VirtualService names and no DestinationRule defines.",
    ),
    flag(
        (25, "OM"),
        "OverloadManagerTerminated",
        Fault::Proxy,
        "The proxy's overload manager ended the request.",
        "Check the proxy's memory and its limit.",
    ),
    flag(
        (26, "DF"),
        "DnsResolutionFailed",
        Fault::Network,
        "The name of the destination could not be resolved.",
        "Resolve it from the pod; then check the ServiceEntry's host and the DNS proxy.",
    ),
    flag(
        (27, "DO"),
        "DropOverload",
        Fault::Deliberate,
        "The control plane instructed the proxy to drop a share of the load for this cluster.",
        "Check the drop policy of the endpoints.",
    ),
    flag(
        (28, "DR"),
        "DownstreamRemoteReset",
        Fault::Caller,
        "The caller reset the HTTP/2 stream: it canceled the request.",
        "Check one hop towards the client: over HTTP/2 this is the trace of the caller's timeout or cancellation.",
    ),
    flag(
        (29, "UDO"),
        "UnconditionalDropOverload",
        Fault::Deliberate,
        "The control plane instructed the proxy to drop all load for this cluster.",
        "Check the drop policy of the endpoints.",
    ),
];
