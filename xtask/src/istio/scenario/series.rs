//! Series of the collector's `/metrics`.
//!
//! Out: sums over series by their labels, which have Istio's names.

use crate::istio::site::Site;
use crate::istio::{http, mesh};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// All series of one metric at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Series(Vec<(BTreeMap<String, String>, f64)>);

impl Series {
    /// Reads the request counters.
    pub(super) fn requests() -> anyhow::Result<Self> {
        Self::of("hopscope_requests_total")
    }

    /// Reads a metric by its name.
    pub(super) fn of(metric: &str) -> anyhow::Result<Self> {
        let text = http::get(Site::here().collector(), mesh::HTTP_PORT, "/metrics")?.body;
        Ok(Self::parse(&text, metric))
    }

    fn parse(text: &str, metric: &str) -> Self {
        let samples = text.lines().filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{'));
        Self(samples.filter_map(sample).collect())
    }

    /// Reads the request counters once requests and connections have stopped growing, for longer
    /// than a record waits in a batch.
    pub(super) fn when_quiet() -> anyhow::Result<Self> {
        const QUIET: Duration = Duration::from_secs(7);
        let (begin, mut since) = (Instant::now(), Instant::now());
        let all = || Self::of("hopscope_tcp_connections_closed_total").map(|connections| connections.sum(""));
        let mut last = (Self::requests()?, all()?);
        while since.elapsed() < QUIET && begin.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(500));
            let now = (Self::requests()?, all()?);
            if now.0.sum("") != last.0.sum("") || now.1 != last.1 {
                since = Instant::now();
            }
            last = now;
        }
        Ok(last.0)
    }

    /// Returns the sum over all series with these labels: `reporter=source destination_version=v2`.
    /// A `~` instead of `=` matches a part of the value.
    pub(super) fn sum(&self, labels: &str) -> u64 {
        let wanted: Vec<(&str, &str, bool)> = labels.split_whitespace().filter_map(wanted).collect();
        self.0.iter().filter(|(series, _)| fits(series, &wanted)).map(|(_, value)| *value as u64).sum()
    }

    /// Returns the increase since an earlier reading.
    pub(super) fn since(&self, before: &Self) -> Self {
        let earlier = |labels: &BTreeMap<String, String>| {
            before.0.iter().find(|(known, _)| known == labels).map_or(0.0, |(_, value)| *value)
        };
        let changed = self.0.iter().map(|(labels, value)| (labels.clone(), value - earlier(labels)));
        Self(changed.filter(|(_, value)| *value != 0.0).collect())
    }

    /// Formats the series with the main labels.
    pub(super) fn show(&self, labels: &str) -> String {
        let wanted: Vec<(&str, &str, bool)> = labels.split_whitespace().filter_map(wanted).collect();
        let shown = self.0.iter().filter(|(series, _)| fits(series, &wanted)).map(|(series, count)| {
            let of = |name: &str| series.get(name).map(String::as_str).unwrap_or_default();
            format!(
                "{} {}@{}→{}@{} [{}] {} {} ×{count}",
                of("reporter"),
                of("source_workload"),
                of("source_version"),
                of("destination_workload"),
                of("destination_version"),
                of("destination_service"),
                of("response_code"),
                of("response_flags"),
            )
        });
        shown.collect::<Vec<_>>().join("; ")
    }
}

fn fits(series: &BTreeMap<String, String>, wanted: &[(&str, &str, bool)]) -> bool {
    wanted.iter().all(|(name, value, part)| {
        let known = series.get(*name).map(String::as_str).unwrap_or_default();
        if *part { known.contains(value) } else { known == *value }
    })
}

fn wanted(label: &str) -> Option<(&str, &str, bool)> {
    match label.split_once('~') {
        Some((name, value)) => Some((name, value, true)),
        None => label.split_once('=').map(|(name, value)| (name, value, false)),
    }
}

/// Parses `name="value",…} 5`.
fn sample(line: &str) -> Option<(BTreeMap<String, String>, f64)> {
    let (labels, value) = line.rsplit_once("} ")?;
    let labels = labels.split("\",").filter_map(|label| {
        let (name, value) = label.split_once("=\"")?;
        Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some((labels.collect(), value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Series;

    #[test]
    fn series_are_added_up_by_their_labels() {
        let text = "# TYPE n counter\nn{a=\"1\",b=\"x y\"} 3\nn{a=\"1\",b=\"z\"} 4\nn{a=\"2\",b=\"z\"} 5\nnn{a=\"1\"} 9\n";
        let seen = Series::parse(text, "n");
        assert_eq!((seen.sum(""), seen.sum("a=1"), seen.sum("a=1 b=z"), seen.sum("b~x")), (12, 7, 4, 3));
        assert_eq!(seen.since(&Series::parse("n{a=\"1\",b=\"z\"} 1", "n")).sum("b=z"), 8);
    }
}
