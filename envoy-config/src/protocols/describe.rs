//! Bootstraps of the pair.
//!
//! In: the topology and a block of addresses. Out: addresses, and a bootstrap in YAML for each
//! Envoy.
//! Invariant: names are those of istiod for a service with the ports 8080 (HTTP/1), 8081 (gRPC) and
//! 9000 (TCP).

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use minijinja::value::Serde;
use serde_json::{Value, json};

use super::{DESTINATION, Listeners, Parts, SOURCE};
use crate::address::{Block, free_port};
use crate::bootstrap::{self, node};
use crate::certificates::IdentityFiles;
use crate::plugin::{COLLECTOR_CLUSTER, FilterSettings};
use crate::topology::{Topology, Workload};

const SERVICE: &str = "payments";
const BLACK_HOLE: &str = "BlackHoleCluster";
/// Service ports in names.
const HTTP: u16 = 8080;
const GRPC: u16 = 8081;
const TCP: u16 = 9000;

/// Side of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

impl Side {
    pub(super) fn workload(self) -> &'static str {
        match self {
            Self::Source => SOURCE,
            Self::Destination => DESTINATION,
        }
    }
}

/// Addresses of the application.
#[derive(Debug, Clone, Copy)]
pub(super) struct ApplicationAddresses {
    pub(super) tcp: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) grpc: SocketAddr,
}

/// Both sides with their addresses.
pub(super) struct Pair {
    topology: Topology,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    collector: SocketAddr,
    listeners: Listeners,
    application: ApplicationAddresses,
    tcp_entrance: u16,
    http_entrance: u16,
    grpc_entrance: u16,
    closed: u16,
}

impl Pair {
    pub(super) fn choose(topology: Topology, block: &Block, collector: SocketAddr) -> Result<Self> {
        let address = |workload: &str| anyhow::Ok(block.address(topology.workload(workload)?.host));
        let (source, destination) = (address(SOURCE)?, address(DESTINATION)?);
        let listener = |port: u16| anyhow::Ok(SocketAddr::from((source, free_port(source, port)?)));
        let behind = |port: u16| anyhow::Ok(SocketAddr::from((destination, free_port(destination, port)?)));
        Ok(Self {
            listeners: Listeners {
                tcp: listener(9000)?,
                refused: listener(9001)?,
                nowhere: listener(9002)?,
                black_hole: listener(9003)?,
                http: listener(15001)?,
            },
            application: ApplicationAddresses {
                tcp: behind(19000)?,
                http: behind(18080)?,
                grpc: behind(18081)?,
            },
            tcp_entrance: free_port(destination, TCP)?,
            http_entrance: free_port(destination, HTTP)?,
            grpc_entrance: free_port(destination, GRPC)?,
            closed: free_port(destination, 9100)?,
            topology,
            source,
            destination,
            collector,
        })
    }

    pub(super) fn listeners(&self) -> Listeners {
        self.listeners
    }

    pub(super) fn application(&self) -> ApplicationAddresses {
        self.application
    }

    pub(super) fn admin(&self, side: Side) -> SocketAddr {
        (self.address(side), 15000).into()
    }

    pub(super) fn spiffe_id(&self, side: Side) -> Result<String> {
        Ok(self.topology.spiffe_id(&self.workload(side)?.name))
    }

    /// Renders the bootstrap of one side.
    pub(super) fn render(&self, side: Side, identity: &IdentityFiles, parts: &Parts) -> Result<String> {
        let filter = &parts.filter;
        let (listeners, mut clusters) = match side {
            Side::Source => (self.outbound_listeners(), self.outbound_clusters()),
            Side::Destination => (self.inbound_listeners(), self.inbound_clusters()),
        };
        clusters.push(json!({
            "name": COLLECTOR_CLUSTER, "address": self.collector.ip(), "port": self.collector.port(),
            "http2": true, "bind": false, "sni": null, "workload": null, "services": [],
        }));
        let values = json!({
            "node": node::describe(&self.topology, self.workload(side)?, self.address(side)),
            "address": self.address(side),
            "admin_port": 15000,
            "listeners": listeners,
            "clusters": clusters,
            "tls": {
                "certificate": identity.certificate,
                "key": identity.key,
                "authority": identity.authority,
                "trust_prefix": format!("spiffe://{}/", self.topology.trust_domain),
            },
            "plugins": {
                "network": plugin("network", filter)?,
                "before": parts.before,
                "http": plugin("http", filter)?,
            },
        });
        let templates = bootstrap::templates()?;
        let rendered = templates.get_template("protocols.yaml.jinja")?.render(Serde(&values));
        rendered.with_context(|| format!("failed to render the bootstrap of {}", side.workload()))
    }

    fn outbound_listeners(&self) -> Vec<Value> {
        let listeners = self.listeners;
        vec![
            tcp_listener("OUTBOUND", listeners.tcp.port(), &self.outbound(TCP)),
            tcp_listener("OUTBOUND", listeners.refused.port(), &self.outbound(TCP + 1)),
            tcp_listener("OUTBOUND", listeners.nowhere.port(), &self.outbound(TCP + 2)),
            tcp_listener("OUTBOUND", listeners.black_hole.port(), BLACK_HOLE),
            http_listener(
                "OUTBOUND",
                listeners.http.port(),
                &self.outbound(HTTP),
                &[("/grpc", self.outbound(GRPC)), ("/", self.outbound(HTTP))],
            ),
        ]
    }

    fn inbound_listeners(&self) -> Vec<Value> {
        vec![
            tcp_listener("INBOUND", self.tcp_entrance, &inbound(TCP)),
            http_listener("INBOUND", self.http_entrance, &inbound(TCP), &[("/", inbound(HTTP))]),
            http_listener("INBOUND", self.grpc_entrance, &inbound(TCP), &[("/", inbound(GRPC))]),
        ]
    }

    fn outbound_clusters(&self) -> Vec<Value> {
        let workload =
            format!("{SERVICE};{};{SERVICE};v1;{}", self.topology.namespace, self.topology.cluster_id);
        let cluster = |port: u16, entrance: u16| {
            json!({
                "name": self.outbound(port),
                "address": self.destination,
                "port": entrance,
                "http2": port == GRPC,
                "bind": true,
                "sni": format!("outbound_.{port}_._.{}", self.topology.host_of(SERVICE)),
                "peer_spiffe_id": self.topology.spiffe_id(SERVICE),
                "workload": workload,
                "services": [self.topology.service_metadata(SERVICE)],
            })
        };
        vec![
            cluster(TCP, self.tcp_entrance),
            cluster(TCP + 1, self.closed),
            cluster(HTTP, self.http_entrance),
            cluster(GRPC, self.grpc_entrance),
            json!({
                "name": BLACK_HOLE, "address": null, "http2": false, "bind": false, "sni": null, "services": null,
            }),
        ]
    }

    fn inbound_clusters(&self) -> Vec<Value> {
        let cluster = |port: u16, application: SocketAddr| {
            json!({
                "name": inbound(port),
                "address": application.ip(),
                "port": application.port(),
                "http2": port == GRPC,
                "bind": false,
                "sni": null,
                "workload": null,
                "services": [self.topology.service_metadata(SERVICE)],
            })
        };
        let ApplicationAddresses { tcp, http, grpc } = self.application;
        vec![cluster(TCP, tcp), cluster(HTTP, http), cluster(GRPC, grpc)]
    }

    fn outbound(&self, port: u16) -> String {
        format!("outbound|{port}||{}", self.topology.host_of(SERVICE))
    }

    fn workload(&self, side: Side) -> Result<&Workload> {
        self.topology.workload(side.workload())
    }

    fn address(&self, side: Side) -> Ipv4Addr {
        match side {
            Side::Source => self.source,
            Side::Destination => self.destination,
        }
    }
}

/// The filter as a plugin of one kind.
fn plugin(kind: &str, filter: &FilterSettings) -> Result<Value> {
    let module = filter.module.as_ref().context("the pair needs a filter")?;
    Ok(json!({
        "name": format!("envoy.filters.{kind}.wasm"),
        "typed_config": {
            "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.wasm.v3.Wasm"),
            "config": {
                "name": format!("hopscope-{kind}"),
                "failure_policy": filter.failure_policy,
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": filter.configuration,
                },
                "vm_config": {
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": module}},
                },
            },
        },
    }))
}

fn inbound(port: u16) -> String {
    format!("inbound|{port}||")
}

fn tcp_listener(direction: &str, port: u16, cluster: &str) -> Value {
    json!({
        "name": format!("{direction}_{port}"), "direction": direction, "port": port,
        "tls": direction == "INBOUND", "cluster": cluster,
    })
}

/// `tunnel` is the cluster of CONNECT requests. The destination terminates CONNECT and forwards the
/// tunneled bytes.
fn http_listener(direction: &str, port: u16, tunnel: &str, routes: &[(&str, String)]) -> Value {
    let ends_connect = direction == "INBOUND";
    let connect = json!({"prefix": null, "cluster": tunnel, "ends_connect": ends_connect});
    let routes = routes
        .iter()
        .map(|(prefix, cluster)| json!({"prefix": prefix, "cluster": cluster, "ends_connect": false}));
    let routes: Vec<Value> = std::iter::once(connect).chain(routes).collect();
    json!({
        "name": format!("{direction}_{port}"), "direction": direction, "port": port,
        "tls": direction == "INBOUND", "cluster": null, "routes": routes,
        "stat_prefix": format!("{}_{port};", direction.to_lowercase()),
    })
}
