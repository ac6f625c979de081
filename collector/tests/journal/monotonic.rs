//! Counters over a kill: no sample is lower than a scrape before showed, unless it is a new series.

use std::collections::BTreeMap;

type Samples = BTreeMap<String, f64>;

/// Families of the process itself, and of in-flight requests, which proxies report again. They start
/// again with `process_start_time_seconds`.
const OF_THE_PROCESS: [&str; 8] = [
    "hopscope_access_log_",
    "hopscope_config_",
    "hopscope_grpc_",
    "hopscope_http_",
    "hopscope_in_flight_",
    "hopscope_journal_",
    "hopscope_snapshot",
    "hopscope_tls_",
];

/// Suffixes of the samples of counters and histograms.
const SUFFIXES: [&str; 4] = ["_total", "_count", "_sum", "_bucket"];

/// Samples that fell from one scrape to the next, without a newer creation time.
pub(crate) fn lower(before: &Samples, after: &Samples) -> Vec<String> {
    let counters = before.iter().filter_map(|(series, value)| Some((series, *value, base(series)?)));
    let lower = counters.filter(|(series, value, base)| {
        let now = after.get(*series).copied();
        now.is_none_or(|now| now < *value) && !is_new(base, series, before, after)
    });
    lower.map(|(series, value, _)| format!("{series}: {value} to {:?}", after.get(series))).collect()
}

/// Name of the family of a counter or histogram sample, without its suffix.
fn base(series: &str) -> Option<&str> {
    let name = series.split('{').next().unwrap_or(series);
    SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix))
}

/// Whether a series was created again, or belongs to the new process.
fn is_new(base: &str, series: &str, before: &Samples, after: &Samples) -> bool {
    let is_newer = |name: &str| match (before.get(name), after.get(name)) {
        (Some(before), Some(after)) => after > before,
        _ => false,
    };
    let labels = series.split_once('{').map(|(_, labels)| labels_without_le(labels));
    let created = match labels.filter(|labels| !labels.is_empty()) {
        Some(labels) => format!("{base}_created{{{labels}}}"),
        None => format!("{base}_created"),
    };
    let of_process = OF_THE_PROCESS.iter().any(|prefix| series.starts_with(prefix));
    is_newer(&created) || of_process && is_newer("process_start_time_seconds")
}

/// Labels of a series without `le`, which a creation time does not have.
fn labels_without_le(labels: &str) -> String {
    let labels = labels.trim_end_matches('}');
    let labels = labels.split("le=\"").next().unwrap_or(labels);
    labels.trim_end_matches(',').to_owned()
}

#[test]
fn a_lower_counter_is_found_unless_it_is_new() {
    let scrape = |samples: &[(&str, f64)]| -> Samples {
        samples.iter().map(|(series, value)| ((*series).to_owned(), *value)).collect()
    };
    let before = scrape(&[
        ("a_total{x=\"1\"}", 5.0),
        ("a_created{x=\"1\"}", 1.0),
        ("b_bucket{x=\"1\",le=\"2\"}", 5.0),
        ("b_created{x=\"1\"}", 1.0),
        ("hopscope_grpc_reports_total", 9.0),
        ("process_start_time_seconds", 1.0),
        ("gauge", 9.0),
    ]);
    let mut after = before.clone();
    after.insert("hopscope_grpc_reports_total".into(), 0.0);
    after.insert("gauge".into(), 0.0);
    assert_eq!(lower(&before, &after), ["hopscope_grpc_reports_total: 9 to Some(0.0)"]);
    after.insert("process_start_time_seconds".into(), 2.0);
    assert!(lower(&before, &after).is_empty());
    for series in ["a_total{x=\"1\"}", "b_bucket{x=\"1\",le=\"2\"}"] {
        after.insert(series.into(), 4.0);
        assert_eq!(lower(&before, &after).len(), 1, "{series}");
        let created = format!("{}_created{{x=\"1\"}}", &series[..1]);
        after.insert(created, 2.0);
        assert!(lower(&before, &after).is_empty(), "{series}");
    }
}
