//! Scrapes of `/metrics` during a measurement, as Prometheus makes them.
//!
//! Invariant: an answer is read to its end and dropped; one scrape every [`INTERVAL`]. The cost of
//! a scrape is part of the collector's processor time.

use super::process::Collector;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(5);

/// Format and extent of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scrape {
    /// All families, for a Prometheus that stores native histograms.
    Protobuf,
    /// All families, for a Prometheus without native histograms.
    Text,
    /// The families without a series per edge.
    Own,
}

impl Scrape {
    fn path(self) -> &'static str {
        if self == Self::Own { "/metrics?only=own" } else { "/metrics" }
    }

    /// The header `Accept` of Prometheus 3.
    pub(super) fn accept(self) -> &'static str {
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

/// Runs `work` while `/metrics` is scraped.
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
        () = scraping => anyhow::bail!("the collector does not answer"),
    }
}
