use super::{NOW, check, text};
use crate::attributes::fake::FakeAttributes;
use crate::record::{ConnectionState, KnownConnection, RecordBuilder};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Checks the record of a connection, with and without expressions.
#[track_caller]
fn check_connection(attributes: &str, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (with, without) =
        (FakeAttributes::parse(attributes), FakeAttributes::parse(attributes).without_expressions());
    let mut builder = RecordBuilder::default();
    for proxy in [&with, &with, &without] {
        let actual = match builder.connection(proxy, KnownConnection::default(), 0, NOW) {
            ConnectionState::Record(record) => text(&record),
            other => format!("{other:?}"),
        };
        assert_eq!(actual, expected.join("\n"));
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
fn a_connection_at_both_sides() {
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
fn an_unreached_tcp_connection_has_a_record_and_an_http_connection_has_none() {
    let unreached = format!("{CONNECTION}xds.listener_direction = 2\nresponse.flags = 16777216");
    let unreached = unreached.replace("response.flags = 0\n", "");
    check_connection(&unreached, "CarriesHttp");
    check_connection(
        &format!("{unreached}\nupstream.transport_failure_reason ="),
        "Source of  []
         Tcp 0 flags=0x1000000 grpc=None details= reason=
         start=1700000000000000 took=1000000 in=30 out=70 attempts=0",
    );
    check_connection(
        &format!(
            "{unreached}\nupstream.transport_failure_reason = delayed connect error: Connection refused
             xds.cluster_name = PassthroughCluster
             connection.requested_server_name = WWW.example.org"
        ),
        "Source of www.example.org []
         Tcp 0 flags=0x1000000 grpc=None details= reason=delayed connect error: Connection refused
         start=1700000000000000 took=1000000 in=30 out=70 attempts=0",
    );
}

/// Before a certificate is seen, a connection is neither reported nor cached.
#[test]
fn a_new_connection_is_pending_until_it_is_established() {
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
    let mut builder = RecordBuilder::default();
    let mut state = |proxy: &FakeAttributes, establish_us| match builder.connection(
        proxy,
        KnownConnection::default(),
        establish_us,
        NOW,
    ) {
        ConnectionState::Record(record) => format!("record of {}", record.edge.peer.principal),
        other => format!("{other:?}"),
    };
    for side in ["1", "2"] {
        assert_eq!(state(&with(side, ""), 1_000_001), "NotEstablished");
        assert_eq!(state(&with(side, ""), 1_000_000), "record of ");
    }
    assert_eq!(state(&with("2", "request.size = 5"), 1_000_001), "NotEstablished");
    let answered = "response.size = 1
        upstream.uri_san_peer_certificate = spiffe://a/ns/b/sa/c
        connection.uri_san_peer_certificate = spiffe://a/ns/b/sa/d";
    assert_eq!(state(&with("2", answered), 1_000_001), "record of spiffe://a/ns/b/sa/c");
    let asked = answered.replace("response", "request");
    assert_eq!(state(&with("1", &asked), 1_000_001), "record of spiffe://a/ns/b/sa/d");
}

/// The duration exceeds the limit of the contract.
#[test]
fn a_duration_of_weeks_is_truncated() {
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
