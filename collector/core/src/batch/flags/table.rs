//! The table of flags, in the order of their bits.

use super::{Fault, Flag};

const fn flag(
    (bit, name): (u32, &'static str),
    long: &'static str,
    fault: Fault,
    meaning: &'static str,
    first: &'static str,
) -> Flag {
    Flag { bit, name, long, meaning, fault, first }
}

/// Every flag of Envoy 1.40.
pub const FLAGS: [Flag; 30] = [
    flag(
        (0, "LH"),
        "FailedLocalHealthCheck",
        Fault::Callee,
        "The proxy answered a health check with a failure.",
        "Look at the readiness of the instance; it may be draining.",
    ),
    flag(
        (1, "UH"),
        "NoHealthyUpstream",
        Fault::Callee,
        "The cluster has no endpoint to send to: none exists, none is ready, or all are ejected. Nobody was called.",
        "Count the ready pods behind the service and its subset labels; then look for outlier ejections just before.",
    ),
    flag(
        (2, "UT"),
        "UpstreamRequestTimeout",
        Fault::Callee,
        "The route's or a try's timeout passed before the answer was complete. The called side logs DC or DR without a code \
         if it still worked, or a 200 if its answer was on the way.",
        "Compare the durations of both sides: equal means the service is slow, a gap means the way between is.",
    ),
    flag(
        (3, "LR"),
        "LocalReset",
        Fault::Proxy,
        "The proxy itself reset the connection.",
        "Look at the proxy's log and memory; an overload or a broken filter resets streams.",
    ),
    flag(
        (4, "UR"),
        "UpstreamRemoteReset",
        Fault::Callee,
        "The called side reset the HTTP/2 stream, or the TCP connection.",
        "Look at the destination's record of the same request: its flag names the cause behind the reset.",
    ),
    flag(
        (5, "UF"),
        "UpstreamConnectionFailure",
        Fault::Network,
        "No connection to the endpoint could be made: refused, timed out, or TLS failed. Nobody was called.",
        "Read the transport failure reason: refused means no listener at the port, a timeout means no way, TLS means \
         certificates or mTLS modes that do not fit.",
    ),
    flag(
        (6, "UC"),
        "UpstreamConnectionTermination",
        Fault::Callee,
        "The called side closed the connection before it answered.",
        "At the destination: the application crashed, or closed an idle connection in the same moment. At the source \
         only: the other proxy died, speaks no mTLS, or closed a connection with too many resets.",
    ),
    flag(
        (7, "UO"),
        "UpstreamOverflow",
        Fault::Configuration,
        "The cluster's circuit breaker (connections, pending or parallel requests) is full. Nobody was called.",
        "Compare the DestinationRule's connectionPool with the parallel requests; slow answers fill it, too.",
    ),
    flag(
        (8, "NR"),
        "NoRouteFound",
        Fault::Configuration,
        "No route or no filter chain matches the request. Nobody was called.",
        "Compare host and path with the VirtualService and the Sidecar's egress hosts.",
    ),
    flag(
        (9, "DI"),
        "DelayInjected",
        Fault::Deliberate,
        "A fault rule held the request back.",
        "Look for `fault.delay` in the VirtualService.",
    ),
    flag(
        (10, "FI"),
        "FaultInjected",
        Fault::Deliberate,
        "A fault rule answered in place of the service.",
        "Look for `fault.abort` in the VirtualService.",
    ),
    flag(
        (11, "RL"),
        "RateLimited",
        Fault::Deliberate,
        "A rate limit answered 429.",
        "Compare the rate of the caller with the limit; one caller may use up what is meant for all.",
    ),
    flag(
        (12, "UAEX"),
        "UnauthorizedExternalService",
        Fault::Deliberate,
        "The external authorization service denied the request, or could not be asked.",
        "Look whether code details say `ext_authz_denied` or `ext_authz_error`; the latter is an outage.",
    ),
    flag(
        (13, "RLSE"),
        "RateLimitServiceError",
        Fault::Callee,
        "The rate limit service could not be asked, and the filter is told to refuse then.",
        "Look at the rate limit service.",
    ),
    flag(
        (14, "DC"),
        "DownstreamConnectionTermination",
        Fault::Caller,
        "The caller closed the connection before the answer was complete.",
        "Look one hop towards the client: at a sidecar this is the trace of the caller's own timeout (UT) or of its \
         death.",
    ),
    flag(
        (15, "URX"),
        "UpstreamRetryLimitExceeded",
        Fault::Callee,
        "All retries failed, or the connection attempts of TCP did.",
        "Look at the other flag beside it and at the destination's records: there is one for each attempt that arrived.",
    ),
    flag(
        (16, "SI"),
        "StreamIdleTimeout",
        Fault::Callee,
        "The stream stood still for longer than the idle timeout.",
        "Look at who should have sent next; long polls and streams need a longer idle timeout.",
    ),
    flag(
        (17, "IH"),
        "InvalidEnvoyRequestHeaders",
        Fault::Caller,
        "An `x-envoy-*` header has no valid value, and strict checking is on.",
        "Look at the headers that the caller sets.",
    ),
    flag(
        (18, "DPE"),
        "DownstreamProtocolError",
        Fault::Caller,
        "What the caller sent is not valid HTTP.",
        "Look at the code details; HTTP/1.0, oversized headers and TLS sent to a plain port are the usual causes.",
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
        "The proxy's cache answered; the service was not called.",
        "Nothing is wrong; do not count it as traffic of the service.",
    ),
    flag(
        (21, "NFCF"),
        "NoFilterConfigFound",
        Fault::Proxy,
        "A filter's configuration did not arrive in time, so the request was refused.",
        "Look at the connection to the control plane and at the module's registry.",
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
        "What the called side answered is not valid HTTP, or ended in the middle of the body.",
        "Look whether the application closes early; a port that speaks another protocol looks the same.",
    ),
    flag(
        (24, "NC"),
        "NoClusterFound",
        Fault::Configuration,
        "The route names a cluster that does not exist. Nobody was called.",
        "Look for a subset that the VirtualService names and no DestinationRule defines.",
    ),
    flag(
        (25, "OM"),
        "OverloadManagerTerminated",
        Fault::Proxy,
        "The proxy's overload manager ended the request.",
        "Look at the proxy's memory and its limit.",
    ),
    flag(
        (26, "DF"),
        "DnsResolutionFailed",
        Fault::Network,
        "The name of the destination could not be resolved.",
        "Resolve it from the pod; then look at the ServiceEntry's host and the DNS proxy.",
    ),
    flag(
        (27, "DO"),
        "DropOverload",
        Fault::Deliberate,
        "The control plane told the proxy to drop a share of the load for this cluster.",
        "Look at the drop policy of the endpoints.",
    ),
    flag(
        (28, "DR"),
        "DownstreamRemoteReset",
        Fault::Caller,
        "The caller reset the HTTP/2 stream: it gave up.",
        "Look one hop towards the client: over HTTP/2 this is the trace of the caller's timeout or cancellation.",
    ),
    flag(
        (29, "UDO"),
        "UnconditionalDropOverload",
        Fault::Deliberate,
        "The control plane told the proxy to drop all load for this cluster.",
        "Look at the drop policy of the endpoints.",
    ),
];
