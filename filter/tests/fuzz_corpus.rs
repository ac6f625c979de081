//! The fuzz targets on their corpus and on random changes of it, without a fuzzer.

#![expect(clippy::unwrap_used, reason = "a harness fails loudly, as its tests do")]

#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::path::Path;

/// Random changes of each input.
const CHANGED: u64 = 200;

/// Runs a target on its corpus, and on copies with some bytes changed.
fn check(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|input| input.unwrap().path()).collect();
    assert!(inputs.len() > 1, "no corpus of {target}");
    // Knuth's linear congruential generator: equal inputs in every run.
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for input in inputs {
        let bytes = std::fs::read(input).unwrap();
        run(&bytes);
        for _ in 0..CHANGED {
            let mut changed = bytes.clone();
            for _ in 0..=random() % 4 {
                let position = random() % changed.len().max(1);
                if let Some(byte) = changed.get_mut(position) {
                    *byte = random() as u8;
                }
            }
            changed.truncate(bytes.len() - random() % bytes.len().max(1) / 4);
            run(&changed);
        }
    }
}

#[test]
fn configurations() {
    check("config", targets::config);
}

#[test]
fn vm_event_sequences() {
    check("vm", targets::vm);
}
