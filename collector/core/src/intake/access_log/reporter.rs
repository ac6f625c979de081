//! Reporter of an entry: the side of the call on which its proxy is.
//!
//! In: the client of the stream, and the connection of the entry.
//! Out: the reporter.
//! Invariant: a declared reporter takes precedence over any inference.

use super::node::Client;
use hopscope_proto::v1::Reporter;

/// Downstream connection of an entry. An unknown text is empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection<'a> {
    /// Selected cluster.
    pub(super) cluster: &'a str,
    /// TLS server name.
    pub(super) server_name: &'a str,
    /// Whether the caller presented a certificate with a URI.
    pub(super) has_peer_certificate: bool,
    /// Address at which the connection arrived.
    pub(super) local: &'a str,
    /// Address of the caller.
    pub(super) remote: &'a str,
}

/// Returns the reporter: the declared one, or else by Istio's cluster names, then by the TLS of a
/// sidecar, then by addresses. A request that Envoy answers itself, such as 403, 404 or 400, has no
/// cluster; in plain text, only the addresses show that it arrived from elsewhere.
pub(super) fn reporter(client: &Client, connection: &Connection<'_>) -> Reporter {
    if let Some(declared) = client.declared {
        return declared;
    }
    let Connection { cluster, server_name, has_peer_certificate, .. } = *connection;
    if cluster.starts_with("inbound|") || cluster.starts_with("InboundPassthroughCluster") {
        return Reporter::Destination;
    }
    let outbound = ["outbound|", "outbound_.", "PassthroughCluster", "BlackHoleCluster"];
    if outbound.iter().any(|prefix| cluster.starts_with(prefix)) {
        return Reporter::Source;
    }
    if server_name.starts_with("outbound_.")
        || has_peer_certificate
        || arrives_from_elsewhere(client, connection)
    {
        return Reporter::Destination;
    }
    Reporter::Source
}

/// Whether the connection arrived at an address of the proxy, from another address. The
/// application's own calls arrive at the address of their destination, or come from an address of
/// the proxy.
fn arrives_from_elsewhere(client: &Client, connection: &Connection<'_>) -> bool {
    let is_own = |host: &str| client.identity.addresses.iter().any(|address| address == host);
    let Connection { local, remote, .. } = *connection;
    is_own(local) && !is_own(remote) && !["", "127.0.0.1", "::1"].contains(&remote)
}
