//! Who comes through the gRPC door, and what it costs the others: certificates, limits, broken and hostile clients, access
//! logs. Real clients, real sockets, port 0.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness fails loudly, as its tests do"
)]

mod harness;
mod raw;
mod certificates;
mod tls;
mod limits;
mod hostile;
mod access_log;
mod health;
