//! The runs: settings of the collector and the load of each.
//!
//! In: a [`Run`] and a binary. Out: a [`Row`].

use super::names::{JOIN_EDGES_MAX, Names, SERIES_MAX};
use super::row::Row;
use super::scrape::Scrape;
use super::{instructions, readers, throughput};
use std::path::Path;

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) edges: usize,
    /// Hops of a round.
    pub(crate) hops: usize,
    /// Proxies between which the hops of a round are; none for all.
    pub(crate) active_proxies: Option<usize>,
    pub(crate) batch_records: usize,
    /// Reports in flight at a time.
    pub(crate) in_flight_max: usize,
    pub(crate) join: bool,
    pub(crate) journal: bool,
    pub(crate) measurement: Measurement,
    pub(crate) settings: &'static [(Names, &'static str)],
}

/// Kinds of measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Measurement {
    /// As many reports as the collector acknowledges, then half of that; meanwhile a scrape every 5
    /// s.
    Throughput(Scrape),
    /// A fixed number of reports to a collector under callgrind.
    Instructions,
    /// Reports at a fixed rate, and readers that poll all of the HTTP API.
    Readers,
}

const ALL_ON: Run = Run {
    name: "all_on",
    description: "2,000 edges, batches of 256, journal, join with nearly 1,000,000 pending records",
    edges: 2_000,
    hops: 950_000,
    active_proxies: None,
    batch_records: 256,
    in_flight_max: 256,
    join: true,
    journal: true,
    measurement: Measurement::Throughput(Scrape::Protobuf),
    settings: &[],
};

/// All runs of the collector, in order.
pub(crate) const RUNS: [Run; 11] = [
    ALL_ON,
    Run {
        name: "all_on_text",
        description: "as all_on, scraped as text",
        measurement: Measurement::Throughput(Scrape::Text),
        ..ALL_ON
    },
    Run { name: "no_join", description: "as all_on, without the join", join: false, ..ALL_ON },
    Run { name: "no_journal", description: "as all_on, without the journal", journal: false, ..ALL_ON },
    Run { name: "plain", description: "neither journal nor join", join: false, journal: false, ..ALL_ON },
    Run {
        name: "all_on_small_batches",
        description: "as all_on, in batches of 8, as quiet proxies send",
        hops: 100_000,
        batch_records: 8,
        ..ALL_ON
    },
    // Half as many hops in the next two: the first report of 1,000,000 edges alone fills the join's
    // table.
    Run {
        name: "all_on_1k_edges",
        description: "as all_on, with 1,000 edges and half as many pending records",
        edges: 1_000,
        hops: 500_000,
        ..ALL_ON
    },
    Run {
        name: "all_on_1m_edges",
        description: "as all_on_1k_edges, with 1,000,000 edges; scraped without the families per edge",
        edges: 1_000_000,
        hops: 500_000,
        measurement: Measurement::Throughput(Scrape::Own),
        settings: &[(SERIES_MAX, "4000000"), (JOIN_EDGES_MAX, "4000000")],
        ..ALL_ON
    },
    Run {
        name: "instructions",
        description: "as all_on with 50,000 hops, counted by callgrind",
        hops: 50_000,
        measurement: Measurement::Instructions,
        ..ALL_ON
    },
    Run {
        name: "plain_instructions",
        description: "as instructions, without journal and join",
        hops: 50_000,
        join: false,
        journal: false,
        measurement: Measurement::Instructions,
        ..ALL_ON
    },
    // Both sides report each edge: two series. 64 proxies carry a round in about 3 s, so that both
    // sides of its hops arrive within the run.
    Run {
        name: "readers",
        description: "100,000 series, 50 reports/s, 50 readers that poll every JSON list and /metrics",
        edges: 50_000,
        hops: 16_000,
        active_proxies: Some(64),
        // Below the collector's own limit, 256 per connection, so that late reports do not hold up
        // others.
        in_flight_max: 4_000,
        measurement: Measurement::Readers,
        ..ALL_ON
    },
];

/// Measures one run.
pub(crate) async fn measure(run: &Run, binary: &Path, seconds: u64) -> anyhow::Result<Row> {
    match run.measurement {
        Measurement::Throughput(scrape) => throughput::measure(run, scrape, binary, seconds).await,
        Measurement::Instructions => instructions::measure(run, binary).await,
        Measurement::Readers => readers::measure(run, binary, seconds).await,
    }
}
