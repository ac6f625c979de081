//! Filters and collector together, on virtual time, with faults that a seed decides: the books always close.
//!
//! In: seeds. Out: verdicts. Always holds: a seed gives the same run each time; what is driven is the product's own code,
//! from the attributes that Envoy gives to the counters that the API shows, and only network, clocks and disk are played.
//!
//! Faults: batches lost, late, doubled and overtaken; answers lost; plugins, proxies and collectors that end at any moment,
//! the latter with a journal and without; clocks that are apart; buffers so small that requests are folded and dropped; a
//! collector that refuses large batches.
//!
//! `HOPSCOPE_SIMULATION_SEEDS=10000 cargo test -p hopscope-tests --test simulation` runs more of them;
//! `HOPSCOPE_SIMULATION_FIRST=n` begins with another one.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a harness fails loudly, as its tests do")]

mod random;
mod envoy_attributes;
mod ground_truth;
mod proxy;
mod collector;
mod world;
mod checks;

use ground_truth::Sums;
use std::time::Instant;

const SEEDS_IN_CI: u64 = 300;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn simulation_every_record_is_in_one_place_whatever_happens() {
    let seeds = number("HOPSCOPE_SIMULATION_SEEDS", SEEDS_IN_CI);
    let first = number("HOPSCOPE_SIMULATION_FIRST", 1);
    let begun = Instant::now();
    let mut sums = Sums::default();
    for seed in first..first + seeds {
        match std::panic::catch_unwind(|| world::run(seed)) {
            Ok(run) => sums.add(&run),
            Err(cause) => {
                eprintln!(
                    "seed {seed}; HOPSCOPE_SIMULATION_FIRST={seed} HOPSCOPE_SIMULATION_SEEDS=1 runs it alone"
                );
                std::panic::resume_unwind(cause);
            }
        }
    }
    eprintln!("{seeds} seeds in {:.1} s: {sums}", begun.elapsed().as_secs_f64());
    // A fault that never happens proves nothing.
    assert!(seeds < SEEDS_IN_CI || sums.all_happened(), "{sums}");
}
