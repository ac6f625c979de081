//! Simulation of filters and a collector on virtual time: the ledger balances under random faults.
//!
//! Invariant: a seed gives the same run each time. The simulation runs the product's own code, from
//! Envoy's attributes to the counters of the API; only network, clocks and disk are simulated.
//!
//! Faults: batches that are lost, late, duplicated or out of order; lost answers; plugins, proxies
//! and collectors that end at any moment, collectors with and without a journal; clock skew;
//! buffers so small that requests are folded and dropped; a collector that rejects large batches.
//!
//! `HOPSCOPE_SIMULATION_SEEDS=10000 cargo test -p hopscope-tests --test simulation` runs more
//! seeds; `HOPSCOPE_SIMULATION_FIRST=n` sets the first seed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test harness panics, as its tests do")]

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
fn simulation_every_request_is_counted_once_under_random_faults() {
    let seeds = number("HOPSCOPE_SIMULATION_SEEDS", SEEDS_IN_CI);
    let first = number("HOPSCOPE_SIMULATION_FIRST", 1);
    let start = Instant::now();
    let mut sums = Sums::default();
    for seed in first..first + seeds {
        match std::panic::catch_unwind(|| world::run(seed)) {
            Ok(run) => sums.add(&run),
            Err(cause) => {
                eprintln!(
                    "seed {seed}; to run it alone: HOPSCOPE_SIMULATION_FIRST={seed} HOPSCOPE_SIMULATION_SEEDS=1"
                );
                std::panic::resume_unwind(cause);
            }
        }
    }
    eprintln!("{seeds} seeds in {:.1} s: {sums}", start.elapsed().as_secs_f64());
    // A fault that never happens is not tested.
    assert!(seeds < SEEDS_IN_CI || sums.all_happened(), "{sums}");
}
