//! Requests and connections that have not ended.

pub mod byte_deltas;
pub mod connections;
pub mod requests;
