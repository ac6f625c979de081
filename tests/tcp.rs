//! TCP connections and long-lived streams on a pair of real Envoys with the filter as both kinds of
//! plugin.

use crate::parts;
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::fetch;
use hopscope_mesh::plugin::{COLLECTOR_AUTHORITY, COLLECTOR_CLUSTER, FilterSettings};
use hopscope_mesh::protocols::client::{Connection, GREETING_BYTES};
use hopscope_mesh::protocols::{Parts, Protocols};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Longest wait for a count; a filter reports five times per second.
const SOON: Duration = Duration::from_secs(20);
const SIDES: [&str; 2] = ["source", "destination"];

pub(crate) async fn start(envoy: PathBuf) -> Protocols {
    start_with(envoy, serde_json::json!({})).await
}

/// Starts a pair with HTTP filters before the filter on every listener.
pub(crate) async fn start_behind(envoy: PathBuf, before: Vec<Value>) -> Protocols {
    start_configured(envoy, &serde_json::json!({}), before).await
}

async fn start_with(envoy: PathBuf, limits: Value) -> Protocols {
    start_configured(envoy, &serde_json::json!({"limits": limits}), Vec::new()).await
}

/// Starts a pair with additional settings of the filter, and HTTP filters before it.
pub(crate) async fn start_configured(envoy: PathBuf, more: &Value, before: Vec<Value>) -> Protocols {
    let mut configuration = serde_json::json!({
        "collector": {"cluster": COLLECTOR_CLUSTER, "authority": COLLECTOR_AUTHORITY},
        "report_interval_ms": 200,
        "open_age_ms": 300,
        "backoff_ms_max": 1_000,
    });
    configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let filter = FilterSettings {
        configuration: configuration.to_string(),
        ..FilterSettings::reporting(Some(parts::path("HOPSCOPE_MODULE")))
    };
    let parts = Parts { envoy, collector: parts::path("HOPSCOPE_COLLECTOR"), filter, before };
    Protocols::start(&parts).await.expect("the pair starts")
}

/// Rows of a list of the JSON API.
pub(crate) async fn rows(pair: &Protocols, path: &str, list: &str) -> Vec<Value> {
    fetch::list(pair.collector().http(), path, list).await.unwrap()
}

/// Counts of one side for connections with the same flags.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Counts {
    opened: u64,
    closed: u64,
    received: u64,
    sent: u64,
}

/// Counts of connections from shop to payments, by reporter and flags.
async fn counts(pair: &Protocols) -> BTreeMap<(String, String), Counts> {
    let mut counts: BTreeMap<_, Counts> = BTreeMap::new();
    for row in rows(pair, "/api/v1/tcp", "connections").await {
        let text = |name: &str| row.get(name).unwrap().as_str().unwrap().to_owned();
        let number = |name: &str| row.get(name).unwrap().as_u64().unwrap();
        let sum = counts.entry((text("reporter"), text("response_flags"))).or_default();
        sum.opened += number("opened");
        sum.closed += number("closed");
        sum.received += number("received_bytes");
        sum.sent += number("sent_bytes");
    }
    counts
}

fn of(counts: &BTreeMap<(String, String), Counts>, side: &str, flags: &str) -> Counts {
    counts.get(&(side.to_owned(), flags.to_owned())).copied().unwrap_or_default()
}

/// Waits until both sides report these counts.
async fn both_sides_report(pair: &Protocols, expected: Counts) {
    let agreed = eventually("both sides agree", SOON, async || {
        let counts = counts(pair).await;
        SIDES.iter().all(|side| of(&counts, side, "-") == expected).then_some(())
    });
    if let Err(error) = agreed.await {
        assert_eq!(format!("{:?}", counts(pair).await), format!("{expected:?}"), "{error}");
    }
}

/// Opens connections, each with its own number of bytes; every second one is used twice.
async fn connections(listener: SocketAddr, count: u32) -> Counts {
    let mut expected = Counts::default();
    let mut running = tokio::task::JoinSet::new();
    for number in 0..count {
        if running.len() >= 50 {
            running.join_next().await.unwrap().unwrap();
        }
        let (received, sent) = (GREETING_BYTES + number, 1 + number * 3);
        let times = 1 + number % 2;
        expected.opened += 1;
        expected.closed += 1;
        expected.received += u64::from(received * times);
        expected.sent += u64::from(sent * times);
        running.spawn(async move {
            let mut connection = Connection::open(listener).await.unwrap();
            for _ in 0..times {
                connection.exchange(received, sent).await.unwrap();
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    expected
}

async fn a_thousand_connections(envoy: PathBuf) {
    let pair = start(envoy).await;
    let expected = connections(pair.listeners().tcp, 1_000).await;
    both_sides_report(&pair, expected).await;

    let rows = rows(&pair, "/api/v1/tcp", "connections").await;
    for row in &rows {
        let text = |name: &str| row.get(name).unwrap().as_str().unwrap();
        let edge = [text("source_workload"), text("destination_workload"), text("destination_service")];
        assert_eq!(edge, ["shop", "payments", "payments.shop.svc.cluster.local"], "{row}");
    }
    let metrics = fetch::text(pair.collector().http(), "/metrics").await.unwrap();
    for side in SIDES {
        // On the destination's side the certificate names the source, at any time of the
        // connection.
        let series =
            metrics.lines().filter(|line| line.starts_with("hopscope_tcp_connections_closed_total{"));
        let of_side = series.filter(|line| line.contains(&format!("reporter=\"{side}\"")));
        let certified = "source_principal=\"spiffe://cluster.local/ns/shop/sa/shop\"";
        let policy = if side == "source" { "unknown" } else { "mutual_tls" };
        let policy = format!("connection_security_policy=\"{policy}\"");
        let is_named = |line: &str| line.contains(certified) && line.contains(&policy);
        assert!(
            of_side.clone().count() > 0 && of_side.clone().all(is_named),
            "{:#?}",
            of_side.collect::<Vec<_>>()
        );
    }
    let sum = |name: &str| crate::metrics::sum(&metrics, name);
    assert_eq!(sum("hopscope_tcp_connections_opened_total"), 2_000);
    assert_eq!(sum("hopscope_tcp_connections_closed_total"), 2_000);
    assert_eq!(sum("hopscope_tcp_received_bytes_total"), 2 * expected.received);
    assert_eq!(sum("hopscope_tcp_sent_bytes_total"), 2 * expected.sent);
    assert_eq!(sum("hopscope_requests_total"), 0, "a connection is no request");
    assert_eq!(crate::metrics::promtool_errors(&metrics), "");
    let seen: Vec<u64> = pair.collector().ledgers().await.unwrap().iter().map(|row| row.seen).collect();
    assert_eq!(seen, [1_000, 1_000]);
    pair.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_of_a_thousand_connections_both_sides_count_every_byte() {
    a_thousand_connections(parts::path("HOPSCOPE_ENVOY")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_of_a_thousand_connections_both_sides_count_every_byte_on_the_oldest_envoy() {
    a_thousand_connections(parts::path("HOPSCOPE_ENVOY_OLDEST")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_bytes_of_an_open_connection_show_and_count_once() {
    let pair = start(parts::path("HOPSCOPE_ENVOY")).await;
    let mut connection = Connection::open(pair.listeners().tcp).await.unwrap();
    connection.exchange(100, 1_000).await.unwrap();
    both_sides_report(&pair, Counts { opened: 1, closed: 0, received: 100, sent: 1_000 }).await;
    connection.exchange(50, 7).await.unwrap();
    both_sides_report(&pair, Counts { opened: 1, closed: 0, received: 150, sent: 1_007 }).await;
    connection.exchange(30, 3).await.unwrap();
    drop(connection);
    both_sides_report(&pair, Counts { opened: 1, closed: 1, received: 180, sent: 1_010 }).await;
    let seen: Vec<u64> = pair.collector().ledgers().await.unwrap().iter().map(|row| row.seen).collect();
    assert_eq!(seen, [1, 1]);
    pair.stop().await.unwrap();
}

/// Most connections arrive in folds, because the filter's buffer holds a few records only.
#[tokio::test(flavor = "multi_thread")]
async fn tcp_counts_are_exact_after_an_outage_of_the_collector() {
    let limits = serde_json::json!({"batch_records_max": 10, "buffer_bytes_max": 4_096});
    let mut pair = start_with(parts::path("HOPSCOPE_ENVOY"), limits).await;
    pair.collector_mut().stop().await.unwrap();
    let lasting = Connection::open(pair.listeners().tcp).await.unwrap();
    let expected = connections(pair.listeners().tcp, 500).await;
    pair.collector_mut().start().await.unwrap();
    drop(lasting);
    let expected = Counts { opened: expected.opened + 1, closed: expected.closed + 1, ..expected };
    both_sides_report(&pair, expected).await;
    for ledger in pair.collector().ledgers().await.unwrap() {
        assert_eq!((ledger.seen, ledger.dropped, ledger.unaccounted), (501, 0, 0));
        assert!(ledger.folded > 100, "{ledger:?}");
    }
    pair.stop().await.unwrap();
}

/// With both plugins on a listener of HTTP connections, only the requests are reported.
#[tokio::test(flavor = "multi_thread")]
async fn tcp_plugin_before_http_reports_no_connection_twice() {
    let pair = start(parts::path("HOPSCOPE_ENVOY")).await;
    let mut connections = Vec::new();
    for _ in 0..10 {
        let mut connection = Connection::open(pair.listeners().http).await.unwrap();
        for _ in 0..5 {
            connection.get().await.unwrap();
        }
        connections.push(connection);
    }
    // An idle connection is no request; one with invalid HTTP is a request with the flag DPE, as in
    // Envoy.
    let idle = Connection::open(pair.listeners().http).await.unwrap();
    let other = Connection::open(pair.listeners().http).await.unwrap().send_garbage().await.unwrap();
    let requests = async || {
        let ledgers = pair.collector().ledgers().await.unwrap();
        ledgers.iter().map(|row| (row.seen, row.unaccounted)).collect::<Vec<_>>()
    };
    let expected = [(51, 0), (50, 0)];
    let all =
        eventually("the requests are reported", SOON, async || (requests().await == expected).then_some(()));
    assert!(all.await.is_ok(), "{:?}", requests().await);
    drop((connections, idle, other));
    let mut still_open = String::new();
    let gone = eventually("nothing is open", SOON, async || {
        // The source's Envoy keeps its connections to the destination's.
        let filters = ["http.outbound.*downstream_cx_active", "http.inbound.*downstream_rq_active"];
        for (envoy, of_envoy) in pair.envoys().iter().zip(filters) {
            let path =
                format!("/stats?filter=^({of_envoy}|wasmcustom.hopscope_(open|connections|buffered))$");
            let open = fetch::text(envoy.admin(), &path).await.unwrap();
            if !open.lines().all(|line| line.ends_with(": 0")) || open.lines().count() < 4 {
                still_open = open;
                return None;
            }
        }
        Some(())
    });
    let gone = gone.await;
    assert!(gone.is_ok(), "{still_open}");
    assert_eq!(requests().await, expected);
    assert_eq!(counts(&pair).await, BTreeMap::new());
    pair.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_connections_without_an_upstream_are_reported_with_their_flag() {
    for envoy in ["HOPSCOPE_ENVOY", "HOPSCOPE_ENVOY_OLDEST"] {
        let pair = start(parts::path(envoy)).await;
        for listener in [pair.listeners().nowhere, pair.listeners().refused, pair.listeners().black_hole] {
            for _ in 0..3 {
                Connection::open(listener).await.unwrap().closed().await.unwrap();
            }
        }
        let all = eventually("all are reported", SOON, async || {
            let counts = counts(&pair).await;
            let closed: u64 = counts.values().map(|counts| counts.closed).sum();
            (closed == 9).then_some(counts)
        });
        let counts = all.await.unwrap();
        let three = Counts { opened: 3, closed: 3, ..Counts::default() };
        assert_eq!((of(&counts, "source", "NC"), counts.len()), (three, 3), "{counts:?}");
        assert_eq!(of(&counts, "source", "UH"), three, "{counts:?}");
        assert_eq!(of(&counts, "source", "UF,URX"), three, "{counts:?}");
        let rows = rows(&pair, "/api/v1/tcp", "connections").await;
        let refused = rows.iter().find(|row| row["response_flags"] == "UF,URX").unwrap();
        assert_eq!(refused["destination_service"], "payments.shop.svc.cluster.local");
        assert_eq!(refused["failed"], true);
        let metrics = fetch::text(pair.collector().http(), "/metrics").await.unwrap();
        let black_hole = metrics.lines().find(|line| line.contains("response_flags=\"UH\"")).unwrap();
        assert!(black_hole.contains("destination_service_name=\"BlackHoleCluster\""), "{black_hole}");
        pair.stop().await.unwrap();
    }
}

/// Streams and their bytes by side, as `streams: request bytes/response bytes`.
async fn stream_bytes(pair: &Protocols) -> [String; 2] {
    let metrics = fetch::text(pair.collector().http(), "/metrics").await.unwrap();
    SIDES.map(|side| {
        let sum = |name: &str| -> u64 {
            let head = format!("hopscope_stream{name}{{reporter=\"{side}\"");
            let values = metrics.lines().filter_map(|line| line.strip_prefix(&head)?.rsplit(' ').next());
            values.map(|value| value.parse::<u64>().unwrap()).sum()
        };
        format!("{}: {}/{}", sum("s_total"), sum("_request_bytes_total"), sum("_response_bytes_total"))
    })
}

/// Waits until an open stream shows with its bytes on both sides.
async fn shows(pair: &Protocols, (sent, received): (u64, u64)) {
    let shows = eventually("the stream shows on both sides", SOON, async || {
        let rows = rows(pair, "/api/v1/in-flight/long", "long").await;
        let shown = |side: &&str| {
            rows.iter().any(|row| {
                row["reporter"] == **side && row["request_bytes"] == sent && row["response_bytes"] == received
            })
        };
        SIDES.iter().all(shown).then_some(())
    });
    let shows = shows.await;
    assert!(shows.is_ok(), "{:?}", rows(pair, "/api/v1/in-flight/long", "long").await);
    assert_eq!(stream_bytes(pair).await, SIDES.map(|_| format!("1: {sent}/{received}")));
}

/// Waits until a closed stream is one request of each side with this code and each byte is counted
/// once.
async fn ends(pair: Protocols, (sent, received): (u64, u64), code: &str) {
    let ends = eventually("the stream is one request of each side", SOON, async || {
        let edges = rows(&pair, "/api/v1/edges", "edges").await;
        let ended = |side: &&str| {
            edges
                .iter()
                .any(|row| row["reporter"] == **side && row["response_code"] == code && row["requests"] == 1)
        };
        SIDES.iter().all(ended).then_some(())
    });
    let ends = ends.await;
    assert!(ends.is_ok(), "{:?}", rows(&pair, "/api/v1/edges", "edges").await);
    assert_eq!(rows(&pair, "/api/v1/in-flight/long", "long").await, Vec::<Value>::new());
    assert_eq!(counts(&pair).await, BTreeMap::new());
    assert_eq!(stream_bytes(&pair).await, SIDES.map(|_| format!("1: {sent}/{received}")));
    pair.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_shows_with_its_bytes_while_open_and_is_one_request() {
    let pair = start(parts::path("HOPSCOPE_ENVOY")).await;
    let mut socket = Connection::open(pair.listeners().http).await.unwrap();
    socket.upgrade().await.unwrap();
    socket.echo(5_000).await.unwrap();
    shows(&pair, (5_000, 5_000)).await;
    socket.echo(1_000).await.unwrap();
    drop(socket);
    ends(pair, (6_000, 6_000), "101").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_shows_with_its_bytes_while_open_and_is_one_request() {
    let pair = start(parts::path("HOPSCOPE_ENVOY")).await;
    let mut tunnel = Connection::open(pair.listeners().http).await.unwrap();
    tunnel.connect().await.unwrap();
    tunnel.exchange(5_000, 7_000).await.unwrap();
    shows(&pair, (5_000, 7_000)).await;
    tunnel.exchange(100, 200).await.unwrap();
    drop(tunnel);
    ends(pair, (5_100, 7_200), "200").await;
}
