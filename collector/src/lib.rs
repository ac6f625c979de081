//! The collector of Hopscope: everything that waits. The pure stages are crate `hopscope-core`.
//!
//! ```text
//! grpc ─▶ journal ─▶ engine (hopscope-core) ─▶ http
//!   └──── runtime: server, engine handle, reader ────┘
//! ```
//!
//! - [`terminal`]: texts of others for a terminal.
//! - [`config`]: settings from file, environment and options.
//! - [`journal`]: changes of the engine on disk before they are applied; replay after a restart.
//! - [`runtime`]: starts and stops the servers, owns the engine, reads the clock.
//! - [`listener`]: connections of both servers.
//! - [`grpc`]: reports of filters and access logs of Envoy.
//! - [`http`]: `/metrics`, `/healthz`, `/readyz`, the JSON API.
//! - [`cli`]: commands of the program.

pub mod terminal;
pub mod config;
pub mod journal;
pub mod runtime;
pub mod listener;
pub mod grpc;
pub mod http;
pub mod sinks;
pub mod cli;
