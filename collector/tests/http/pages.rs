//! Pages of the lists of the JSON API.

use super::{Collector, batch};
use hopscope_proto::v1::{Batch, Edge, Identity, InFlight, InFlightLong, Ledger, Outcome, Protocol, Records};
use serde_json::Value;
use std::collections::BTreeSet;

/// Path and list of each endpoint.
const LISTS: [(&str, &str); 9] = [
    ("/api/v1/edges", "edges"),
    ("/api/v1/tcp", "connections"),
    ("/api/v1/hops", "hops"),
    ("/api/v1/instances", "instances"),
    ("/api/v1/windows", "edges"),
    ("/api/v1/in-flight", "proxies"),
    ("/api/v1/in-flight/long", "long"),
    ("/api/v1/failures", "failures"),
    ("/api/v1/proxies", "proxies"),
];

/// Fields that change between two requests.
const AGES: [&str; 1] = ["oldest_age_us"];

impl Collector {
    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    /// One page: its rows, without ages, and its cursor.
    async fn page(&self, (path, list): (&str, &str), parameters: &str) -> (Vec<Value>, Option<String>) {
        let mut answer = self.json(&format!("{path}?{parameters}")).await;
        let cursor = answer.get("next_cursor").map(|cursor| cursor.as_str().unwrap().to_owned());
        let rows = answer.get_mut(list).and_then(Value::as_array_mut).unwrap();
        for row in rows.iter_mut().filter_map(Value::as_object_mut) {
            row.retain(|name, _| !AGES.contains(&name.as_str()));
        }
        (std::mem::take(rows), cursor)
    }

    /// Rows of all pages.
    async fn walk(&self, list: (&str, &str), limit: usize) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), Some(String::new()));
        while let Some(at) = cursor {
            let at = if at.is_empty() { at } else { format!("&cursor={at}") };
            let (rows, next) = self.page(list, &format!("limit={limit}{at}")).await;
            assert!(rows.len() == limit || next.is_none() && rows.len() <= limit, "{list:?}: {rows:?}");
            all.extend(rows);
            cursor = next;
        }
        all
    }
}

/// Report of one of several proxies: two failed requests to two instances, a failed TCP connection,
/// and long-running requests to two services.
fn report(proxy: usize, sequence: u64) -> Batch {
    let strings = ["", "db", "db.shop", "10.0.1.1", "10.0.1.2", "cache.shop"].map(str::to_owned).to_vec();
    let edge = |peer_address, service_host| Edge {
        reporter: 1,
        peer_workload: 1,
        peer_address,
        service_host,
        service_evidence: 1,
        ..Edge::default()
    };
    let long = |edge| InFlightLong { edge, count: 1, oldest_age_us: 9_000_000, ..InFlightLong::default() };
    let outcome = |response_code, protocol| Outcome {
        response_code,
        response_flags: 64,
        protocol,
        ..Outcome::default()
    };
    Batch {
        proxy: format!("sidecar~10.0.0.{proxy}~pay-{proxy}.shop~shop.svc.cluster.local"),
        sequence,
        identity: Some(Identity {
            workload: format!("pay-{proxy}"),
            addresses: vec![format!("10.0.0.{proxy}")],
            ..Identity::default()
        }),
        ledger: Some(Ledger { seen_total: 3 * sequence, sent_total: 3 * sequence, ..Ledger::default() }),
        strings,
        edges: vec![edge(3, 2), edge(4, 2), edge(3, 5)],
        outcomes: vec![outcome(503, Protocol::Http.into()), outcome(0, Protocol::Tcp.into())],
        records: Some(Records {
            edge: vec![0, 1, 0],
            outcome: vec![0, 0, 1],
            start_delta_us: vec![0, 1, 1],
            duration_us: vec![7_000, 8_000, 9_000],
            request_bytes: vec![10, 11, 12],
            response_bytes: vec![20, 21, 22],
            request_id_hash: vec![1, 2, 0],
            attempts: vec![1, 1, 0],
        }),
        in_flight: vec![InFlight {
            reporter: 1,
            count: 3,
            oldest_age_us: 9_000_000,
            long_count: 2,
            long: vec![long(0), long(2)],
        }],
        ..batch(sequence)
    }
}

/// A collector with the reports of three proxies, whose hops are judged.
async fn reported() -> Collector {
    let collector = Collector::start(&["--join-window-ms", "1000"]).await;
    for proxy in 0..3 {
        assert_eq!(collector.report(report(proxy, 1)).await.unwrap().accepted_sequence, 1);
    }
    while collector.json("/api/v1/hops").await.get("pending") != Some(&Value::from(0)) {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    collector
}

#[tokio::test]
async fn pages_of_one_row_return_the_same_rows_as_one_page() {
    let collector = reported().await;
    for list in LISTS {
        let (all, cursor) = collector.page(list, "limit=10000").await;
        assert!(all.len() > 2 && cursor.is_none(), "{list:?}: {all:?}");
        assert_eq!(collector.page(list, "").await, (all.clone(), None), "{list:?}");
        for limit in [1, 2] {
            assert_eq!(collector.walk(list, limit).await, all, "{list:?}, limit {limit}");
        }
    }
    let first = collector.json("/api/v1/proxies?limit=1").await;
    assert_eq!((&first["total"]["seen"], &first["proxies"][0]["seen"]), (&9.into(), &3.into()));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = collector.json(&format!("/api/v1/proxies?limit=1&cursor={cursor}")).await;
    assert!(second.get("total").is_none() && second.get("filters").is_none(), "{second}");
    collector.stop().await;
}

#[tokio::test]
async fn rows_that_are_added_during_a_walk_do_not_move_the_others() {
    let collector = reported().await;
    for (number, list) in LISTS.into_iter().enumerate() {
        // The pages of an entry that is divided are positioned by index: an added proxy changes
        // none.
        let before: BTreeSet<String> =
            collector.walk(list, 10_000).await.iter().map(ToString::to_string).collect();
        let (rows, mut cursor) = collector.page(list, "limit=2").await;
        let mut seen: Vec<String> = rows.iter().map(ToString::to_string).collect();
        let proxy = 10 + number;
        assert_eq!(collector.report(report(proxy, 1)).await.unwrap().accepted_sequence, 1);
        while let Some(at) = cursor {
            let (rows, next) = collector.page(list, &format!("limit=1&cursor={at}")).await;
            seen.extend(rows.iter().map(ToString::to_string));
            cursor = next;
        }
        let distinct: BTreeSet<String> = seen.iter().cloned().collect();
        assert_eq!(distinct.len(), seen.len(), "{list:?}: a row is repeated in {seen:?}");
        assert!(distinct.is_superset(&before), "{list:?}: {before:?} in {seen:?}");
    }
    collector.stop().await;
}

#[tokio::test]
async fn a_follower_receives_each_failure_once() {
    let collector = reported().await;
    let first = collector.json("/api/v1/failures").await;
    let numbers = |answer: &Value| -> Vec<u64> {
        answer["failures"].as_array().unwrap().iter().map(|row| row["number"].as_u64().unwrap()).collect()
    };
    let known = numbers(&first);
    assert!(known.is_sorted_by(|a, b| a > b), "{known:?}");
    let last = first["last"].as_u64().unwrap();
    assert_eq!(last, known[0]);
    collector.report(report(7, 1)).await.unwrap();
    let later = numbers(&collector.json(&format!("/api/v1/failures?after={last}")).await);
    assert!(later.len() == 3 && later.iter().all(|number| *number > last), "{later:?}");
    collector.stop().await;
}

#[tokio::test]
async fn a_bad_parameter_is_named_with_what_is_allowed() {
    let collector = reported().await;
    let foreign = collector.page(("/api/v1/edges", "edges"), "limit=1").await.1.unwrap();
    for (path, _) in LISTS {
        let cases = [
            ("limit=0".to_owned(), "from 1 to 10000"),
            ("limit=10001".to_owned(), "from 1 to 10000"),
            ("limit=".to_owned(), "from 1 to 10000"),
            ("cursor=7".to_owned(), "`next_cursor` of an earlier answer of this list"),
            ("cursor=zz".to_owned(), "`next_cursor` of an earlier answer of this list"),
            ("limits=1".to_owned(), "limit, cursor"),
            ("limit=1&limit=2".to_owned(), "`limit` is repeated"),
            (format!("cursor={foreign}"), "`next_cursor` of an earlier answer of this list"),
        ];
        for (parameters, allowed) in cases {
            if path == "/api/v1/edges" && parameters.ends_with(&foreign) {
                continue;
            }
            let answer = collector.get(&format!("{path}?{parameters}")).await;
            let name = parameters.split('=').next().unwrap();
            assert!(answer.starts_with("HTTP/1.1 400"), "{path}?{parameters}: {answer}");
            assert!(answer.contains(&format!("`{name}`")) && answer.contains(allowed), "{answer}");
        }
    }
    // A position after the end is an empty last page.
    let (rows, cursor) = collector.page(("/api/v1/edges", "edges"), "cursor=656467657320393939").await;
    assert_eq!((rows, cursor), (Vec::new(), None));
    collector.stop().await;
}

#[tokio::test]
async fn reports_are_acknowledged_while_clients_read_in_a_loop() {
    let collector = std::sync::Arc::new(reported().await);
    let readers = (0..8).map(|reader| {
        let collector = collector.clone();
        tokio::spawn(async move {
            for (path, _) in LISTS.into_iter().cycle().skip(reader) {
                let answer = collector.get(&format!("{path}?limit=1")).await;
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for sequence in 2..100 {
        assert_eq!(collector.report(report(0, sequence)).await.unwrap().accepted_sequence, sequence);
    }
    for reader in readers {
        reader.abort();
        assert!(reader.await.unwrap_err().is_cancelled());
    }
    let Ok(collector) = std::sync::Arc::try_unwrap(collector) else { panic!("a reader is still running") };
    collector.stop().await;
}
