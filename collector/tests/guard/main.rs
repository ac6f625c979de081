//! gRPC server with real clients and sockets: certificates, limits, broken and hostile clients,
//! access logs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness fails loudly, as its tests do"
)]

mod harness;
mod certificates;
mod tls;
mod limits;
mod hostile;
mod access_log;
mod health;
