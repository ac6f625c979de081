//! Scrapes, as a Prometheus makes them while the load is on.
//!
//! In: a collector, and how it is asked. Out: nothing; what a scrape costs is in the processor time of the collector. Always
//! holds: an answer is read to its end, and not kept; one scrape each [`INTERVAL`].

use super::process::Collector;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(5);

/// What a Prometheus asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scrape {
    /// Everything, as one that takes native histograms does.
    Protobuf,
    /// Everything, as one that does not.
    Text,
    /// No family with a series per edge.
    Own,
}

impl Scrape {
    fn path(self) -> &'static str {
        if self == Self::Own { "/metrics?only=own" } else { "/metrics" }
    }

    /// The header `Accept` of Prometheus 3.
    fn accept(self) -> &'static str {
        match self {
            Self::Protobuf => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
                 application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
            }
            Self::Text | Self::Own => {
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
            }
        }
    }
}

/// Does something while `/metrics` is scraped.
pub(super) async fn scraped<T>(
    collector: &Collector,
    scrape: Scrape,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let scraping = async {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if collector.read(scrape.path(), scrape.accept()).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        done = work => done,
        () = scraping => anyhow::bail!("the collector does not answer any more"),
    }
}
