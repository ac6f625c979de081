//! Section `listen`.

use super::section::section;
use std::net::{Ipv4Addr, SocketAddr};

section! {
    /// Where the collector listens.
    "listen": Listen {
        /// Where filters report (gRPC).
        grpc_address: SocketAddr = loopback(50_051), { option: "grpc-address" };
        /// Where /metrics, /healthz, /readyz and the JSON API are (HTTP).
        http_address: SocketAddr = loopback(9464), { option: "http-address" };
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Two doors cannot share a port.
pub(super) fn conflicts(listen: &Listen) -> Vec<(&'static str, String)> {
    let Listen { grpc_address, http_address } = listen;
    if grpc_address != http_address || grpc_address.port() == 0 {
        return Vec::new();
    }
    let message = format!("{http_address} is listen.grpc_address as well; each door needs a port of its own");
    vec![("listen.http_address", message)]
}
