//! The running collector: engine handle, reader, server, reload.

pub mod settings;
pub mod clock;
pub mod engine_cell;
pub mod change_log;
pub mod self_metrics;
pub mod reader;
pub(crate) mod render_thread;
pub mod engine_handle;
pub mod metrics;
pub mod reload;
pub mod config_watch;
pub mod server;
