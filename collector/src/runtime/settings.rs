//! Section `listen`.

use hopscope_core::section;
use hopscope_core::settings::Conflict;
use std::net::{Ipv4Addr, SocketAddr};

section! {
    /// Addresses of the collector.
    "listen": Listen {
        /// Address of the gRPC server, to which filters report.
        grpc_address: SocketAddr = loopback(50_051), { option: "grpc-address" };
        /// Address of the HTTP server: /metrics, /healthz, /readyz and the JSON API.
        http_address: SocketAddr = loopback(9464), { option: "http-address" };
    }
    conflicts: conflicts
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Refuses one address for both servers. Port 0 gives each of them a port of its own.
fn conflicts(listen: &Listen) -> Vec<Conflict> {
    let Listen { grpc_address, http_address } = listen;
    if grpc_address != http_address || grpc_address.port() == 0 {
        return Vec::new();
    }
    let message = format!("{http_address} is also listen.grpc_address; each server needs a port of its own");
    vec![("listen.http_address", message)]
}
