//! In-flight requests: a hanging request shows with its destination until it ends.

use crate::{metrics, parts};
use hopscope_mesh::eventually::eventually;
use hopscope_mesh::fault::Fault;
use hopscope_mesh::fetch;
use hopscope_mesh::mesh::{Mesh, MeshOptions};
use hopscope_mesh::plugin::{COLLECTOR_AUTHORITY, COLLECTOR_CLUSTER, FilterSettings};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// With this fault the application works for half a minute; the client of these tests waits for
/// longer than the fault's own.
const HANGS: Fault = Fault::Dc;
const OPEN_AGE_MS: u64 = 300;
/// Shorter than the application works; a second is enough on an idle machine.
const SHOWS_WITHIN: Duration = Duration::from_secs(20);

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

/// Sends a hanging request; it ends with the connection.
fn send(gateway: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(gateway).unwrap();
    let head = format!("GET /buy HTTP/1.1\r\nhost: shop.example.com\r\nx-fault: {HANGS}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Formats each long request as `reporter source -> destination (service)`.
async fn hanging(mesh: &Mesh) -> Vec<String> {
    let rows = fetch::list(mesh.collector().unwrap().http(), "/api/v1/in-flight/long", "long").await.unwrap();
    let rows = rows.iter().map(|row| {
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
    let request = send(gateway);
    let expected = [
        "source gateway -> shop (shop.shop.svc.cluster.local)",
        "source shop -> payments (payments.shop.svc.cluster.local)",
    ];
    let shown = eventually("the hanging request shows", SHOWS_WITHIN, async || {
        let rows = hanging(&mesh).await;
        let is_called =
            rows.iter().any(|row| row.starts_with("destination ") && row.contains("-> payments ("));
        (is_called && expected.iter().all(|row| rows.iter().any(|known| known == row))).then_some(())
    });
    shown.await.unwrap();
    let text = metrics::text(&mesh).await;
    assert!(metrics::sum(&text, "hopscope_in_flight_requests") >= 4, "{text}");
    assert_eq!(metrics::promtool_errors(&text), "");

    drop(request);
    let gone = eventually("the request is gone", SHOWS_WITHIN, async || {
        hanging(&mesh).await.is_empty().then_some(())
    });
    gone.await.unwrap();
    mesh.balanced(parts::BALANCED_WITHIN).await.unwrap();
    mesh.stop().await.unwrap();
}
