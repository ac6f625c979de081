//! The running collector: engine handle, reader, server, reload.

pub mod settings;
pub mod engine_handle;
pub mod reader;
pub mod self_metrics;
pub mod reload;
pub mod config_watch;
pub mod server;
