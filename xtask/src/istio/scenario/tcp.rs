//! TCP by both reporters with equal bytes; to an unknown destination through the `EnvoyFilter`; and HTTP below a NETWORK plugin
//! that counts as HTTP only.

use super::traffic::{Load, begin, send};
use super::{Applied, Series, Tale};
use crate::istio::mesh;
use std::time::Duration;

const FROM: &str = "frontend-v1";
const CONNECTIONS: u64 = 20;
const BYTES: u64 = 10_000;

pub(super) fn tell(tale: &mut Tale) -> anyhow::Result<()> {
    let plugin = Applied::new(&mesh::plugin("wasmplugin-tcp.yaml", "shop")?)?;
    // The connections from before are drained.
    std::thread::sleep(Duration::from_secs(5));
    known(tale)?;
    http_is_not_tcp(tale)?;
    let filter = Applied::new(&mesh::user_file("envoyfilter-tcp-unknown.yaml")?)?;
    std::thread::sleep(Duration::from_secs(5));
    unknown(tale)?;
    drop(filter);
    std::thread::sleep(Duration::from_secs(2));
    drop(plugin);
    Ok(())
}

fn connect(to: &str) -> anyhow::Result<Load> {
    begin(FROM, &format!("connect --to {to} --connections {CONNECTIONS} --bytes {BYTES}"))?.end()
}

/// Connections, bytes of the caller's direction, bytes of the answer's.
fn sums(before: &[Series; 3], labels: &str) -> anyhow::Result<[u64; 3]> {
    let after = moment()?;
    let mut sums = [0; 3];
    for (sum, (after, before)) in sums.iter_mut().zip(after.iter().zip(before)) {
        *sum = after.since(before).sum(labels);
    }
    Ok(sums)
}

fn moment() -> anyhow::Result<[Series; 3]> {
    Series::settled()?;
    Ok([
        Series::of("hopscope_tcp_connections_closed_total")?,
        Series::of("hopscope_tcp_received_bytes_total")?,
        Series::of("hopscope_tcp_sent_bytes_total")?,
    ])
}

fn known(tale: &mut Tale) -> anyhow::Result<()> {
    let before = moment()?;
    let load = connect("backend.shop:9000")?;
    tale.check(
        "TCP to backend is answered",
        load.none == 0 && load.bytes_received == load.bytes_sent,
        load.show(),
    );
    let edge = format!("source_workload={FROM} destination_service=backend.shop.svc.cluster.local");
    let told = sums(&before, &format!("reporter=source {edge}"))?;
    let heard = sums(&before, &format!("reporter=destination {edge}"))?;
    let expected = [CONNECTIONS, CONNECTIONS * BYTES, CONNECTIONS * BYTES];
    tale.check(
        "TCP by both reporters: connections and bytes of both directions",
        told == expected && heard == expected,
        format!(
            "{told:?} by the caller, {heard:?} by the called; {}",
            moment()?[0].since(&before[0]).show("")
        ),
    );
    Ok(())
}

fn http_is_not_tcp(tale: &mut Tale) -> anyhow::Result<()> {
    let connections = moment()?;
    let before = Series::settled()?;
    send(FROM, "http://backend.shop:8080/", 50, 50)?;
    let seen = Series::settled()?.since(&before);
    tale.equal("HTTP below a NETWORK plugin: no connection told as TCP", 0, sums(&connections, "")?[0]);
    tale.equal(
        "HTTP below a NETWORK plugin: each request told twice",
        100,
        seen.sum("request_protocol=http"),
    );
    Ok(())
}

fn unknown(tale: &mut Tale) -> anyhow::Result<()> {
    let before = moment()?;
    let load = connect("10.244.0.16:9000")?;
    tale.check("TCP to an unknown destination is answered", load.none == 0, load.show());
    let labels = "reporter=source destination_service_name=PassthroughCluster";
    let told = sums(&before, labels)?;
    tale.check(
        "TCP to an unknown destination, through the EnvoyFilter",
        told == [CONNECTIONS, CONNECTIONS * BYTES, CONNECTIONS * BYTES],
        format!("{told:?}; {}", moment()?[0].since(&before[0]).show("")),
    );
    Ok(())
}
