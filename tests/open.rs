//! A request that hangs shows with its destination before it ends, and no more after it.

use crate::{metrics, parts};
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::fault::Fault;
use hopscope_mesh::fetch;
use hopscope_mesh::mesh::{Mesh, MeshOptions};
use hopscope_mesh::plugin::{COLLECTOR_AUTHORITY, COLLECTOR_CLUSTER, FilterSettings};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// With it the application works for two seconds; the fault's own client would leave before, and this one stays.
const HANGS: Fault = Fault::Dc;
const OPEN_AGE_MS: u64 = 300;

async fn start() -> Mesh {
    let configuration = serde_json::json!({
        "collector": {"cluster": COLLECTOR_CLUSTER, "authority": COLLECTOR_AUTHORITY},
        "report_interval_ms": 200,
        "open_age_ms": OPEN_AGE_MS,
    });
    let filter = FilterSettings {
        configuration: configuration.to_string(),
        ..FilterSettings::reporting(Some(parts::path("HOPSCOPE_MODULE")))
    };
    parts::start(MeshOptions { filter, ..parts::observed() }).await
}

/// Sends the request that hangs, and waits for the end of its answer.
fn answer(gateway: SocketAddr) -> String {
    let mut stream = TcpStream::connect(gateway).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!(
        "GET /buy HTTP/1.1\r\nhost: shop.example.com\r\nx-fault: {HANGS}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// `reporter source -> destination (service)` of all that does not end.
async fn hanging(mesh: &Mesh) -> Vec<String> {
    let document = fetch::json(mesh.collector().unwrap().http(), "/api/v1/open").await.unwrap();
    let rows = document.get("long").unwrap().as_array().unwrap().iter().map(|row| {
        let text = |name: &str| row.get(name).unwrap().as_str().unwrap().to_owned();
        let [reporter, source, destination, service] =
            ["reporter", "source_workload", "destination_workload", "destination_service"].map(text);
        format!("{reporter} {source} -> {destination} ({service})")
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_hangs_shows_with_its_destination_before_it_ends() {
    let mesh = start().await;
    let gateway = mesh.gateway().unwrap();
    let request = tokio::task::spawn_blocking(move || answer(gateway));
    let expected = [
        "source gateway -> shop (shop.shop.svc.cluster.local)",
        "source shop -> payments (payments.shop.svc.cluster.local)",
    ];
    let shown = eventually("the hanging request shows", Duration::from_millis(1_900), async || {
        let rows = hanging(&mesh).await;
        expected.iter().all(|row| rows.iter().any(|known| known == row)).then_some(rows)
    });
    let shown = shown.await;
    assert!(!request.is_finished(), "{shown:?}");
    let rows = shown.unwrap();
    assert!(
        rows.iter().any(|row| row.starts_with("destination ") && row.contains("-> payments (")),
        "{rows:?}"
    );
    let text = metrics::text(&mesh).await;
    assert!(metrics::sum(&text, "hopscope_open_requests") >= 4, "{text}");
    assert_eq!(metrics::complaints(&text), "");

    assert!(request.await.unwrap().starts_with("HTTP/1.1 200 "));
    let gone = eventually("it is gone", Duration::from_secs(5), async || {
        hanging(&mesh).await.is_empty().then_some(())
    });
    gone.await.unwrap();
    mesh.settled(parts::SETTLED_WITHIN).await.unwrap();
    mesh.stop().await.unwrap();
}
