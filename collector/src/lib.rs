//! The collector of Hopscope: it takes what the filters report, accounts for every record, completes its edge, counts
//! it, and answers.
//!
//! # Layout
//!
//! The modules stand in the order that the data takes.
//!
//! - [`config`]: what the collector can be told; every limit with its default; reloads.
//! - [`server`]: starts and stops the doors. The only place that reads the clock.
//! - [`ingest`]: the gRPC door. A batch is checked before it is believed, and becomes a [`report`].
//! - [`report`]: what one proxy told, in the collector's own words.
//! - [`ledger`]: repeats dropped, gaps seen, books closed.
//! - [`measure`]: what many requests of one edge and outcome measured together.
//! - [`identity`]: who reports under which address and certificate; names the peers of an edge.
//! - `registry`: small numbers for names. `prefetch`: memory on its way before it is needed.
//! - [`join`]: the two sides of each hop, and what they say together.
//! - [`flags`]: every response flag of Envoy, explained.
//! - [`aggregate`]: counters and histograms per series, within a budget.
//! - [`open`]: requests that have begun and not ended.
//! - [`flows`]: TCP connections, open and closed, and what streams move.
//! - [`failures`]: the last failed requests and connections, in full.
//! - [`windows`]: the last minutes of each edge, and of each called instance.
//! - [`engine`]: the rooms from check to aggregate, in one function of (state, report, now).
//! - [`checkpoint`]: the state of the rooms as bytes, and back.
//! - [`journal`]: what was acknowledged is on disk; a start goes on where the last one ended.
//! - [`self_stats`], [`state`]: what the doors count, and what they share.
//! - [`api`]: the HTTP door: `/metrics`, `/healthz`, `/readyz`, the JSON API.
//! - [`cli`]: the commands of the program.
//!
//! The rooms between the doors are pure: they name no runtime, no wire, no clock and no file. A test keeps it.

pub mod config;
pub mod journal;
pub mod runtime;
pub mod grpc;
pub mod http;
pub mod cli;
