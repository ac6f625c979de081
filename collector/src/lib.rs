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
//! - [`pipeline`]: the rooms from check to aggregate, in one function of (state, report, now).
//! - [`checkpoint`]: the state of the rooms as bytes, and back.
//! - [`journal`]: what was acknowledged is on disk; a start goes on where the last one ended.
//! - [`self_stats`], [`state`]: what the doors count, and what they share.
//! - [`api`]: the HTTP door: `/metrics`, `/healthz`, `/readyz`, the JSON API.
//! - [`cli`]: the commands of the program.
//!
//! The rooms between the doors are pure: they name no runtime, no wire, no clock and no file. A test keeps it.

pub mod config;
pub mod server;
pub mod ingest;
pub mod report;
pub mod ledger;
pub mod measure;
pub mod identity;
mod registry;
mod prefetch;
pub mod join;
pub mod flags;
pub mod aggregate;
pub mod open;
pub mod flows;
pub mod failures;
pub mod windows;
pub mod pipeline;
pub mod checkpoint;
pub mod journal;
pub mod self_stats;
pub mod state;
pub mod api;
pub mod cli;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    /// The rooms between the doors.
    const PURE: [&str; 27] = [
        "report",
        "ledger",
        "measure",
        "identity",
        "registry",
        "prefetch",
        "join",
        "flags",
        "aggregate",
        "pipeline",
        "open",
        "flows",
        "failures",
        "windows",
        "ingest/check",
        "ingest/decode",
        "ingest/als",
        "ingest/fields",
        "ingest/spiffe",
        "ingest/vouch",
        "checkpoint",
        "journal/frame",
        "journal/segment",
        "config/yaml",
        "config/layers",
        "config/shown",
        "config/schema",
    ];
    /// What only a door may name.
    const IMPURE: [&str; 8] =
        ["tokio", "tonic", "hyper", "axum", "std::fs", "std::net", "SystemTime", "Instant"];

    fn files(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).unwrap();
            entries.for_each(|entry| files(&entry.unwrap().path(), found));
        } else if path.exists() {
            found.push(path.to_owned());
        }
    }

    #[test]
    fn pure_rooms_name_no_runtime_no_wire_no_clock_and_no_file() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        for room in PURE {
            let mut found = Vec::new();
            files(&source.join(room), &mut found);
            files(&source.join(format!("{room}.rs")), &mut found);
            assert!(!found.is_empty(), "no file of {room}");
            for file in found {
                let text = std::fs::read_to_string(&file).unwrap();
                for word in IMPURE {
                    assert!(!text.contains(word), "{} names {word}", file.display());
                }
                let wire = text.contains("hopscope_proto");
                assert!(!wire || room.starts_with("ingest/"), "{} names the wire", file.display());
            }
        }
    }
}
