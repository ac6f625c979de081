//! Bytes → the events of one VM.
#![no_main]

#[path = "../src/targets.rs"]
#[allow(dead_code, reason = "each target uses one of them")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::vm(bytes));
