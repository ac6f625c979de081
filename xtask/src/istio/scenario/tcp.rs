//! TCP reported by both sides with equal bytes; TCP to an unknown destination through the
//! `EnvoyFilter`; and HTTP below a NETWORK plugin, which counts as HTTP only.

use super::traffic::{Load, begin, send};
use super::{Applied, Outcome, Series};
use crate::istio::mesh;
use std::time::Duration;

const FROM: &str = "frontend-v1";
const CONNECTIONS: u64 = 20;
const BYTES: u64 = 10_000;

/// Runs the scenario.
pub(super) fn execute(outcome: &mut Outcome) -> anyhow::Result<()> {
    let plugin = Applied::new(&mesh::plugin("wasmplugin-tcp.yaml", "shop")?)?;
    // Earlier connections are drained meanwhile.
    std::thread::sleep(Duration::from_secs(5));
    known(outcome)?;
    http_is_not_tcp(outcome)?;
    let filter = Applied::new(&mesh::user_file("envoyfilter-tcp-unknown.yaml")?)?;
    std::thread::sleep(Duration::from_secs(5));
    unknown(outcome)?;
    drop(filter);
    std::thread::sleep(Duration::from_secs(2));
    drop(plugin);
    Ok(())
}

fn connect(to: &str) -> anyhow::Result<Load> {
    begin(FROM, &format!("connect --to {to} --connections {CONNECTIONS} --bytes {BYTES}"))?.end()
}

/// Returns the increase of connections, request bytes and response bytes.
fn sums(before: &[Series; 3], labels: &str) -> anyhow::Result<[u64; 3]> {
    let after = read_series()?;
    let mut sums = [0; 3];
    for (sum, (after, before)) in sums.iter_mut().zip(after.iter().zip(before)) {
        *sum = after.since(before).sum(labels);
    }
    Ok(sums)
}

fn read_series() -> anyhow::Result<[Series; 3]> {
    Series::when_quiet()?;
    Ok([
        Series::of("hopscope_tcp_connections_closed_total")?,
        Series::of("hopscope_tcp_received_bytes_total")?,
        Series::of("hopscope_tcp_sent_bytes_total")?,
    ])
}

fn known(outcome: &mut Outcome) -> anyhow::Result<()> {
    let before = read_series()?;
    let load = connect("backend.shop:9000")?;
    outcome.check(
        "TCP to backend is answered",
        load.none == 0 && load.bytes_received == load.bytes_sent,
        load.show(),
    );
    let edge = format!("source_workload={FROM} destination_service=backend.shop.svc.cluster.local");
    let by_source = sums(&before, &format!("reporter=source {edge}"))?;
    let by_destination = sums(&before, &format!("reporter=destination {edge}"))?;
    let expected = [CONNECTIONS, CONNECTIONS * BYTES, CONNECTIONS * BYTES];
    outcome.check(
        "TCP by both sides: connections and bytes of both directions",
        by_source == expected && by_destination == expected,
        format!(
            "{by_source:?} by the source, {by_destination:?} by the destination; {}",
            read_series()?[0].since(&before[0]).show("")
        ),
    );
    Ok(())
}

fn http_is_not_tcp(outcome: &mut Outcome) -> anyhow::Result<()> {
    let connections = read_series()?;
    let before = Series::when_quiet()?;
    send(FROM, "http://backend.shop:8080/", 50, 50)?;
    let seen = Series::when_quiet()?.since(&before);
    outcome.equal("HTTP below a NETWORK plugin: connections reported as TCP", 0, sums(&connections, "")?[0]);
    outcome.equal(
        "HTTP below a NETWORK plugin: requests reported by both sides",
        100,
        seen.sum("request_protocol=http"),
    );
    Ok(())
}

fn unknown(outcome: &mut Outcome) -> anyhow::Result<()> {
    let before = read_series()?;
    let load = connect("10.244.0.16:9000")?;
    outcome.check("TCP to an unknown destination is answered", load.none == 0, load.show());
    let labels = "reporter=source destination_service_name=PassthroughCluster";
    let by_source = sums(&before, labels)?;
    outcome.check(
        "TCP to an unknown destination, through the EnvoyFilter",
        by_source == [CONNECTIONS, CONNECTIONS * BYTES, CONNECTIONS * BYTES],
        format!("{by_source:?}; {}", read_series()?[0].since(&before[0]).show("")),
    );
    Ok(())
}
