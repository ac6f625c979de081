use super::{Record, TEXT_BYTES_MAX, bounded, observe, request_id_hash};
use crate::attributes::table::Table;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A clock one second after the requests of these tests started.
const NOW_US: u64 = 1_700_000_001_000_000;

fn text(record: &Record) -> String {
    let Record { edge, outcome, measure } = record;
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
    let mut lines = vec![
        format!("{:?} of {} [{}]{tls}", edge.reporter, edge.service.host, peer.join(" ")),
        format!(
            "{:?} {} flags={:#x} grpc={:?} details={} reason={}",
            outcome.protocol,
            outcome.response_code,
            outcome.response_flags,
            outcome.grpc_status,
            outcome.code_details,
            outcome.transport_failure_reason,
        ),
        format!(
            "start={} took={} in={} out={} attempts={}",
            measure.start_us,
            measure.duration_us,
            measure.request_bytes,
            measure.response_bytes,
            measure.attempts
        ),
    ];
    if measure.request_id_hash != 0 {
        lines.push("with id".to_owned());
    }
    lines.join("\n")
}

#[track_caller]
fn check(attributes: &str, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(text(&observe(&Table::parse(attributes), NOW_US)), expected.join("\n"));
}

#[test]
fn a_success_seen_by_the_source() {
    check(
        "xds.listener_direction = 2
         request.time = 1700000000000123456
         request.duration = 2500999
         request.total_size = 120
         response.total_size = 340
         request.id = 0f6f1b4e-2222-4333-8444-555566667777
         response.code = 200
         response.flags = 0
         response.code_details = via_upstream
         response.grpc_status = 2
         upstream.address = 127.9.9.3:8080
         upstream.request_attempt_count = 1
         upstream.uri_san_peer_certificate = spiffe://cluster.local/ns/shop/sa/payments
         upstream.uri_san_local_certificate = spiffe://cluster.local/ns/shop/sa/shop
         xds.cluster_name = outbound|8080|v1|payments.shop.svc.cluster.local
         xds.upstream_host_metadata.filter_metadata.istio.workload = payments;shop;payments;v1;Kubernetes",
        "Source of payments.shop.svc.cluster.local [workload=payments namespace=shop service=payments revision=v1 \
             cluster=Kubernetes address=127.9.9.3 principal=spiffe://cluster.local/ns/shop/sa/payments] mtls
         Http 200 flags=0x0 grpc=None details= reason=
         start=1700000000000123 took=2500 in=120 out=340 attempts=1
         with id",
    );
}

#[test]
fn a_failure_brings_its_explanation() {
    check(
        "xds.listener_direction = 2
         request.time = 1700000000000000000
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
         start=1700000000000000 took=1000 in=0 out=0 attempts=3",
    );
}

#[test]
fn no_route_is_charged_to_the_requested_authority() {
    check(
        "xds.listener_direction = 2
         request.time = 1700000000000000000
         request.duration = 0
         request.host = payments.shop.svc.cluster.local:8080
         response.code = 404
         response.flags = 256
         response.code_details = route_not_found",
        "Source of payments.shop.svc.cluster.local []
         Http 404 flags=0x100 grpc=None details=route_not_found reason=
         start=1700000000000000 took=0 in=0 out=0 attempts=0",
    );
}

#[test]
fn a_hang_up_has_no_code_and_is_a_failure() {
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
fn a_forwarded_address_names_nobody() {
    check(
        "xds.listener_direction = 1
         request.time = 1700000000000000000
         request.duration = 1000
         response.code = 200
         source.address = 203.0.113.9:0
         connection.uri_san_peer_certificate = spiffe://cluster.local/ns/shop/sa/gateway
         connection.uri_san_local_certificate = spiffe://cluster.local/ns/shop/sa/shop",
        "Destination of  [principal=spiffe://cluster.local/ns/shop/sa/gateway] mtls
         Http 200 flags=0x0 grpc=None details= reason=
         start=1700000000000000 took=1 in=0 out=0 attempts=0",
    );
}

#[test]
fn a_grpc_failure_hides_behind_200() {
    check(
        "xds.listener_direction = 2
         request.time = 1700000000000000000
         request.duration = 1000
         request.headers.content-type = application/grpc+proto
         response.code = 200
         response.grpc_status = 14
         response.code_details = via_upstream
         request.host = ledger",
        "Source of ledger []
         Grpc 200 flags=0x0 grpc=Some(14) details=via_upstream reason=
         start=1700000000000000 took=1 in=0 out=0 attempts=0",
    );
}

#[test]
fn nothing_known_is_still_one_record() {
    check(
        "",
        "Source of  []
         Http 0 flags=0x0 grpc=None details= reason=
         start=1700000001000000 took=0 in=0 out=0 attempts=0",
    );
}

#[test]
fn the_version_nibble_of_a_uuid_does_not_count() {
    let sampled = request_id_hash("0f6f1b4e-2222-9333-8444-555566667777");
    assert_eq!(sampled, request_id_hash("0f6f1b4e-2222-4333-8444-555566667777"));
    assert_ne!(sampled, request_id_hash("0f6f1b4e-2222-4334-8444-555566667777"));
    assert_ne!(request_id_hash("abc-1"), request_id_hash("abc-2"));
    assert_ne!(request_id_hash(""), 0);
}

#[test]
fn long_texts_are_cut_between_characters() {
    let long = "é".repeat(TEXT_BYTES_MAX);
    let cut = bounded(&long);
    assert!(cut.len() <= TEXT_BYTES_MAX && long.starts_with(&cut));
    assert_eq!(bounded("short"), "short");
}
