//! The fuzz targets over their corpus, without a fuzzer.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a harness fails loudly, as its tests do")]

#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::path::Path;

/// Runs a target over its corpus.
fn check(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|input| input.unwrap().path()).collect();
    assert!(inputs.len() > 1, "no corpus of {target}");
    for input in inputs {
        run(&std::fs::read(input).unwrap());
    }
}

#[test]
fn batches() {
    check("batch", targets::batch);
}

#[test]
fn configurations() {
    check("config", targets::config);
}

#[test]
fn access_logs() {
    check("access_log", targets::access_log);
}
