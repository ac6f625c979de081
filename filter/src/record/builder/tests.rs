use super::RecordBuilder;
use crate::attributes::fake::FakeAttributes;
use crate::record::{Now, Record};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod cases;
mod connections;

/// One second after the start of the request without a duration.
const NOW_US: u64 = 1_700_000_001_000_000;
const NOW: Now = Now { wall_us: NOW_US, steady_us: NOW_US };

fn text(record: &Record) -> String {
    let Record { edge, outcome, stats, .. } = record;
    let peer = [
        ("workload", &edge.peer.workload),
        ("namespace", &edge.peer.namespace),
        ("service", &edge.peer.canonical_service),
        ("revision", &edge.peer.canonical_revision),
        ("cluster", &edge.peer.cluster),
        ("address", &edge.peer.address),
        ("principal", &edge.peer.principal),
    ];
    let peer: Vec<String> =
        peer.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| format!("{k}={v}")).collect();
    let tls = if edge.mutual_tls { " mtls" } else { "" };
    let why = outcome.failure.as_deref().cloned().unwrap_or_default();
    let mut lines = vec![
        format!("{:?} of {} [{}]{tls}", edge.reporter, edge.service.host, peer.join(" ")),
        format!(
            "{:?} {} flags={:#x} grpc={:?} details={} reason={}",
            outcome.protocol,
            outcome.response_code,
            outcome.response_flags,
            outcome.grpc_status,
            why.code_details,
            why.transport_failure_reason,
        ),
        format!(
            "start={} took={} in={} out={} attempts={}",
            stats.start_us, stats.duration_us, stats.request_bytes, stats.response_bytes, stats.attempts
        ),
    ];
    if stats.request_id_hash != 0 {
        lines.push("with id".to_owned());
    }
    lines.join("\n")
}

#[track_caller]
fn check(attributes: &str, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (with, without) =
        (FakeAttributes::parse(attributes), FakeAttributes::parse(attributes).without_expressions());
    let mut builder = RecordBuilder::default();
    // The second time from the cache.
    for proxy in [&with, &with, &without] {
        assert_eq!(text(&builder.request(proxy, NOW)), expected.join("\n"));
    }
    assert_eq!(text(&RecordBuilder::default().request(&without, NOW)), expected.join("\n"));
}

#[test]
fn a_success_at_the_source() {
    check(
        "xds.listener_direction = 2
         request.duration = 2500999
         request.total_size = 120
         response.total_size = 340
         request.id = 0f6f1b4e-2222-4333-8444-555566667777
         response.code = 200
         response.flags = 0
         response.code_details = via_upstream
         upstream.address = 127.9.9.3:8080
         upstream.request_attempt_count = 1
         upstream.uri_san_peer_certificate = spiffe://cluster.local/ns/shop/sa/payments
         upstream.uri_san_local_certificate = spiffe://cluster.local/ns/shop/sa/shop
         xds.cluster_name = outbound|8080|v1|payments.shop.svc.cluster.local
         xds.upstream_host_metadata.filter_metadata.istio.workload = payments;shop;payments;v1;Kubernetes",
        "Source of payments.shop.svc.cluster.local [workload=payments namespace=shop service=payments revision=v1 \
             cluster=Kubernetes address=127.9.9.3 principal=spiffe://cluster.local/ns/shop/sa/payments] mtls
         Http 200 flags=0x0 grpc=None details= reason=
         start=1700000000997500 took=2500 in=120 out=340 attempts=1
         with id",
    );
}

#[test]
fn a_failure_has_its_explanation() {
    check(
        "xds.listener_direction = 2
         request.duration = 1000000
         response.code = 503
         response.flags = 32
         response.code_details = upstream_reset_before_response_started{remote_connection_failure}
         upstream.transport_failure_reason = delayed connect error: Connection refused
         upstream.address = 127.9.9.7:8080
         upstream.request_attempt_count = 3
         xds.cluster_name = outbound|8080||legacy.shop.svc.cluster.local
         xds.upstream_host_metadata.filter_metadata.istio.workload = legacy;shop;legacy;;Kubernetes",
        "Source of legacy.shop.svc.cluster.local [workload=legacy namespace=shop service=legacy cluster=Kubernetes \
             address=127.9.9.7]
         Http 503 flags=0x20 grpc=None details=upstream_reset_before_response_started{remote_connection_failure} \
             reason=delayed connect error: Connection refused
         start=1700000000999000 took=1000 in=0 out=0 attempts=3",
    );
}

#[test]
fn without_a_route_the_authority_is_the_service() {
    check(
        "xds.listener_direction = 2
         request.duration = 0
         request.host = payments.shop.svc.cluster.local:8080
         response.code = 404
         response.flags = 256
         response.code_details = route_not_found",
        "Source of payments.shop.svc.cluster.local []
         Http 404 flags=0x100 grpc=None details=route_not_found reason=
         start=1700000001000000 took=0 in=0 out=0 attempts=0",
    );
}

#[test]
fn a_downstream_disconnect_has_no_code_and_is_a_failure() {
    check(
        "xds.listener_direction = 1
         request.time = 1700000000000000000
         response.flags = 16384
         response.code_details = downstream_remote_disconnect
         source.address = 127.9.9.2:41234
         request.headers.x-envoy-attempt-count = 2
         connection.requested_server_name = outbound_.8080_.v1_.payments.shop.svc.cluster.local",
        "Destination of payments.shop.svc.cluster.local [address=127.9.9.2]
         Http 0 flags=0x4000 grpc=None details=downstream_remote_disconnect reason=
         start=1700000000000000 took=1000000 in=0 out=0 attempts=2",
    );
}

#[test]
fn a_forwarded_address_is_not_the_peer() {
    check(
        "xds.listener_direction = 1
         request.duration = 1000
         response.code = 200
         source.address = 203.0.113.9:0
         connection.uri_san_peer_certificate = spiffe://cluster.local/ns/shop/sa/gateway
         connection.uri_san_local_certificate = spiffe://cluster.local/ns/shop/sa/shop",
        "Destination of  [principal=spiffe://cluster.local/ns/shop/sa/gateway] mtls
         Http 200 flags=0x0 grpc=None details= reason=
         start=1700000000999999 took=1 in=0 out=0 attempts=0",
    );
}

#[test]
fn a_grpc_failure_has_http_status_200() {
    check(
        "xds.listener_direction = 2
         request.duration = 1000
         request.headers.content-type = application/grpc+proto
         response.code = 200
         response.trailers.grpc-status = 14
         response.code_details = via_upstream
         request.host = ledger",
        "Source of ledger []
         Grpc 200 flags=0x0 grpc=Some(14) details=via_upstream reason=
         start=1700000000999999 took=1 in=0 out=0 attempts=0",
    );
}

#[test]
fn without_attributes_there_is_still_one_record() {
    check(
        "",
        "Source of  []
         Http 0 flags=0x0 grpc=None details= reason=
         start=1700000001000000 took=0 in=0 out=0 attempts=0",
    );
}

/// Checks the number of host calls for each request. An edge that was not reached or is not cached
/// costs more; one of the calls reads the peer metadata.
#[track_caller]
fn check_calls(requests: &[(&str, u64)], expected: &[u32]) {
    let mut builder = RecordBuilder::default();
    let calls = |(attributes, second): &(&str, u64)| {
        let proxy = FakeAttributes::parse(attributes);
        let now_us = NOW_US + second * 1_000_000;
        builder.request(&proxy, Now { wall_us: now_us, steady_us: now_us });
        proxy.calls.get()
    };
    assert_eq!(requests.iter().map(calls).collect::<Vec<_>>(), expected);
}

const SUCCESS: &str = "xds.listener_direction = 2
    request.duration = 1000
    response.code = 200
    response.flags = 0
    request.total_size = 1
    response.total_size = 1
    request.id = a
    upstream.request_attempt_count = 1
    upstream.address = 127.9.9.3:8080
    ";
const CLUSTER: &str = "xds.cluster_name = outbound|80||a.b";

#[test]
fn a_cached_edge_costs_one_call_until_it_expires() {
    let known = format!("{SUCCESS}{CLUSTER}");
    let other = known.replace("|a.b", "|c.b");
    check_calls(&[(&known, 0), (&known, 1), (&other, 1), (&known, 29), (&known, 30)], &[6, 1, 6, 1, 6]);
}

#[test]
fn a_service_named_by_the_authority_costs_one_more_call() {
    let passing = format!("{SUCCESS}xds.cluster_name = PassthroughCluster\nrequest.host = example.org");
    let elsewhere = passing.replace("example", "elsewhere");
    check_calls(&[(&passing, 0), (&passing, 0), (&passing, 0), (&elsewhere, 0)], &[6, 7, 2, 7]);
}

#[test]
fn unreached_hosts_are_not_cached_and_consecutive_failures_use_the_guarded_expression() {
    let refused = format!("{SUCCESS}{CLUSTER}").replace("flags = 0", "flags = 32");
    let no_route =
        "xds.listener_direction = 2\nrequest.duration = 1\nresponse.flags = 256\nresponse.code = 404";
    check_calls(&[(&refused, 0), (&refused, 0)], &[3, 3]);
    check_calls(&[(no_route, 0), (no_route, 0), (no_route, 0)], &[4, 4, 3]);
}

#[test]
fn the_edge_of_a_destination_is_cached_by_connection() {
    let first = "xds.listener_direction = 1
        source.address = 10.0.0.1:4000
        connection.id = 1
        xds.cluster_name = inbound|80||
        request.id = a
        request.duration = 1000
        response.code = 200
        response.flags = 0
        request.total_size = 1
        response.total_size = 1";
    let second = first.replace("connection.id = 1", "connection.id = 2");
    let forwarded = first.replace("10.0.0.1:4000", "203.0.113.9:0");
    let of_another = forwarded.replace(".9:0", ".10:0");
    check_calls(&[(first, 0), (first, 0), (&second, 0), (&forwarded, 0), (&of_another, 0)], &[4, 1, 4, 4, 1]);
}

#[test]
fn at_a_waypoint_the_peer_is_the_upstream() {
    let request = "xds.listener_direction = 1
        source.address = 10.0.0.1:4000
        connection.id = 1
        xds.cluster_name = inbound-vip|8080|http/v2|payments.shop.svc.cluster.local
        upstream.address = 10.0.0.2:8080
        xds.upstream_host_metadata.filter_metadata.istio.workload = payments-v2;shop;payments;v2;Kubernetes
        request.duration = 1000
        response.code = 200
        response.flags = 0";
    let mut builder = RecordBuilder::default();
    builder.set_waypoint(true);
    let edge_text = |builder: &mut RecordBuilder, attributes: &str| {
        let edge = builder.request(&FakeAttributes::parse(attributes), NOW).edge;
        let service = &edge.service;
        let text = [&edge.peer.workload, &edge.peer.address, &service.host, &service.subset];
        format!("{:?} {}", edge.reporter, text.map(String::as_str).join(" "))
    };
    let expected = "Waypoint payments-v2 10.0.0.2 payments.shop.svc.cluster.local v2";
    assert_eq!(edge_text(&mut builder, request), expected);
    // On the same connection to another pod.
    let other = request.replace("10.0.0.2", "10.0.0.3").replace("payments-v2;", "payments-v3;");
    assert_eq!(
        edge_text(&mut builder, &other),
        expected.replace("payments-v2", "payments-v3").replace("0.2", "0.3")
    );
    assert_eq!(edge_text(&mut builder, request), expected);
}
