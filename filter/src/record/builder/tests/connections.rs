use super::{NOW_US, check, text};
use crate::attributes::fake::FakeAttributes;
use crate::record::builder::{ConnectionState, RecordBuilder};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A connection, asked about when it has closed and while it is open.
#[track_caller]
fn check_connection(attributes: &str, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (with, without) =
        (FakeAttributes::parse(attributes), FakeAttributes::parse(attributes).without_expressions());
    let mut observer = RecordBuilder::default();
    for proxy in [&with, &with, &without] {
        let told = match observer.connection(proxy, None, 0, NOW_US) {
            ConnectionState::Record(record) => text(&record),
            other => format!("{other:?}"),
        };
        assert_eq!(told, expected.join("\n"));
    }
}

const CONNECTION: &str = "request.time = 1700000000000000000
    response.flags = 0
    request.size = 30
    response.size = 70
    source.address = 127.9.9.2:41234
    connection.id = 7
    ";

#[test]
fn a_connection_seen_by_both_sides() {
    check_connection(
        &format!(
            "{CONNECTION}xds.listener_direction = 2
             upstream.transport_failure_reason =
             upstream.address = 127.9.9.3:9000
             upstream.request_attempt_count = 1
             upstream.uri_san_peer_certificate = spiffe://cluster.local/ns/shop/sa/store
             upstream.uri_san_local_certificate = spiffe://cluster.local/ns/shop/sa/shop
             xds.cluster_name = outbound|9000||store.shop.svc.cluster.local
             xds.upstream_host_metadata.filter_metadata.istio.workload = store;shop;store;v1;Kubernetes"
        ),
        "Source of store.shop.svc.cluster.local [workload=store namespace=shop service=store revision=v1 \
             cluster=Kubernetes address=127.9.9.3 principal=spiffe://cluster.local/ns/shop/sa/store] mtls
         Tcp 0 flags=0x0 grpc=None details= reason=
         start=1700000000000000 took=1000000 in=30 out=70 attempts=1",
    );
    check_connection(
        &format!(
            "{CONNECTION}xds.listener_direction = 1
             upstream.transport_failure_reason =
             upstream.request_attempt_count = 1
             xds.cluster_name = inbound|9000||
             connection.requested_server_name = outbound_.9000_._.store.shop.svc.cluster.local
             connection.uri_san_peer_certificate = spiffe://cluster.local/ns/shop/sa/shop"
        ),
        "Destination of store.shop.svc.cluster.local [address=127.9.9.2 \
             principal=spiffe://cluster.local/ns/shop/sa/shop]
         Tcp 0 flags=0x0 grpc=None details= reason=
         start=1700000000000000 took=1000000 in=30 out=70 attempts=1",
    );
}

#[test]
fn a_connection_that_reached_nobody_is_one_and_an_http_connection_is_none() {
    let nobody = format!("{CONNECTION}xds.listener_direction = 2\nresponse.flags = 16777216");
    let nobody = nobody.replace("response.flags = 0\n", "");
    check_connection(&nobody, "CarriesHttp");
    check_connection(
        &format!("{nobody}\nupstream.transport_failure_reason ="),
        "Source of  []
         Tcp 0 flags=0x1000000 grpc=None details= reason=
         start=1700000000000000 took=1000000 in=30 out=70 attempts=0",
    );
    check_connection(
        &format!(
            "{nobody}\nupstream.transport_failure_reason = delayed connect error: Connection refused
             xds.cluster_name = PassthroughCluster
             connection.requested_server_name = WWW.example.org"
        ),
        "Source of www.example.org []
         Tcp 0 flags=0x1000000 grpc=None details= reason=delayed connect error: Connection refused
         start=1700000000000000 took=1000000 in=30 out=70 attempts=0",
    );
}

/// Before a certificate was seen, nothing is told and nothing remembered.
#[test]
fn a_young_connection_waits_until_it_has_come_to_be() {
    let with = |side: &str, more: &str| {
        FakeAttributes::parse(&format!(
            "xds.listener_direction = {side}
             upstream.transport_failure_reason =
             request.time = 1700000000000000000
             source.address = 127.9.9.2:41234
             upstream.address = 127.9.9.3:9000
             xds.cluster_name = outbound|9000||store.shop.svc.cluster.local
             {more}"
        ))
    };
    let mut observer = RecordBuilder::default();
    let mut seen = |proxy: &FakeAttributes, young_us| match observer.connection(proxy, None, young_us, NOW_US)
    {
        ConnectionState::Record(record) => format!("record of {}", record.edge.peer.principal),
        other => format!("{other:?}"),
    };
    for side in ["1", "2"] {
        assert_eq!(seen(&with(side, ""), 1_000_001), "NotEstablished");
        assert_eq!(seen(&with(side, ""), 1_000_000), "record of ");
    }
    assert_eq!(seen(&with("2", "request.size = 5"), 1_000_001), "NotEstablished");
    let answered = "response.size = 1
        upstream.uri_san_peer_certificate = spiffe://a/ns/b/sa/c
        connection.uri_san_peer_certificate = spiffe://a/ns/b/sa/d";
    assert_eq!(seen(&with("2", answered), 1_000_001), "record of spiffe://a/ns/b/sa/c");
    let asked = answered.replace("response", "request");
    assert_eq!(seen(&with("1", &asked), 1_000_001), "record of spiffe://a/ns/b/sa/d");
}

/// Longer than the contract lets a duration be.
#[test]
fn what_lasted_for_weeks_is_told_as_long_as_can_be() {
    let weeks = "request.time = 1600000000000000000\nupstream.transport_failure_reason =";
    check_connection(
        weeks,
        "Source of  []
         Tcp 0 flags=0x0 grpc=None details= reason=
         start=1699395201000001 took=604799999999 in=0 out=0 attempts=0",
    );
    check(
        "xds.listener_direction = 2\nrequest.duration = 100000000000000000\nresponse.code = 101",
        "Source of  []
         Http 101 flags=0x0 grpc=None details= reason=
         start=1699395201000001 took=604799999999 in=0 out=0 attempts=0",
    );
}
