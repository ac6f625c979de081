//! A strict reader of OpenMetrics 1.0.
//!
//! Source: OpenMetrics 1.0: metadata before samples, one of each kind; families and samples with
//! names of their own; suffixes by type; exemplars on buckets and counters only; `# EOF` at the end.

use std::collections::{BTreeMap, BTreeSet};

/// A family: its type, unit and samples.
#[derive(Default)]
struct Family {
    metadata: Vec<String>,
    kind: String,
    samples: BTreeSet<String>,
}

/// Problems of a text.
pub(super) fn problems(text: &str) -> Vec<String> {
    let mut reader = Reader::default();
    let Some(text) = text.strip_suffix("# EOF\n") else { return vec!["no EOF".to_owned()] };
    if !text.is_empty() && !text.ends_with('\n') {
        reader.problems.push("EOF is not a line of its own".to_owned());
    }
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some(metadata) => reader.metadata(metadata),
            None => reader.sample(line),
        }
    }
    reader.names();
    reader.problems
}

#[derive(Default)]
struct Reader {
    families: BTreeMap<String, Family>,
    current: String,
    last_series: String,
    seen_series: BTreeSet<String>,
    problems: Vec<String>,
}

impl Reader {
    fn metadata(&mut self, line: &str) {
        let [kind, name, text] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            return self.problem(format!("metadata {line}"));
        };
        if name != self.current {
            if self.families.contains_key(name) {
                self.problem(format!("family {name} comes twice"));
            }
            self.current = name.to_owned();
            self.last_series.clear();
            self.seen_series.clear();
        }
        let family = self.families.entry(name.to_owned()).or_default();
        let order = ["HELP", "TYPE", "UNIT"].map(str::to_owned);
        let position = |kind: &str| order.iter().position(|known| known == kind);
        let is_next = family.metadata.last().is_none_or(|last| position(last) < position(kind));
        let (is_known, has_samples) = (position(kind).is_some(), !family.samples.is_empty());
        family.metadata.push(kind.to_owned());
        if kind == "TYPE" {
            family.kind = text.to_owned();
        }
        if !is_next || !is_known || has_samples {
            self.problem(format!("{kind} of {name} in this place"));
        }
        if kind == "UNIT" && !name.ends_with(&format!("_{text}")) {
            self.problem(format!("{name} does not end with its unit {text}"));
        }
    }

    fn sample(&mut self, line: &str) {
        let (sample, exemplar) = line.split_once(" # ").map_or((line, None), |(it, mark)| (it, Some(mark)));
        let Some((series, value)) = sample.rsplit_once(' ') else {
            return self.problem(format!("sample {line}"));
        };
        if value.parse::<f64>().is_err() {
            self.problem(format!("value {line}"));
        }
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let family = self.families.entry(self.current.clone()).or_default();
        family.samples.insert(name.to_owned());
        let suffixes: &[&str] = match family.kind.as_str() {
            "counter" => &["_total", "_created"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count", "_created"],
            _ => &[],
        };
        let suffix = name.strip_prefix(self.current.as_str());
        if !suffix.is_some_and(|suffix| suffixes.contains(&suffix)) {
            self.problem(format!("{name} in family {}", self.current));
        }
        if exemplar.is_some() && !matches!(suffix, Some("_bucket" | "_total")) {
            self.problem(format!("exemplar {line}"));
        }
        self.series(name, labels.trim_end_matches('}'), line);
    }

    fn series(&mut self, name: &str, labels: &str, line: &str) {
        let labels: Vec<(&str, &str)> = split(labels);
        let names: BTreeSet<&str> = labels.iter().map(|(name, _)| *name).collect();
        if names.len() != labels.len() {
            self.problem(format!("a label twice: {line}"));
        }
        let is_bucket = name.ends_with("_bucket");
        if is_bucket != names.contains("le") {
            self.problem(format!("le: {line}"));
        }
        let rest = labels.iter().filter(|(name, _)| !is_bucket || *name != "le");
        // A label without a value is no label.
        let rest: BTreeSet<_> = rest.filter(|(_, value)| !value.is_empty()).collect();
        let series = format!("{rest:?}");
        if series != self.last_series && !self.seen_series.insert(series.clone()) {
            self.problem(format!("the samples of a series are apart: {line}"));
        }
        self.last_series = series;
        if !self.seen_series.insert(format!("{name}{labels:?}")) {
            self.problem(format!("a sample twice: {line}"));
        }
    }

    /// Checks that no sample has the name of a sample or family beside its own.
    fn names(&mut self) {
        let mut known: BTreeMap<&str, &str> = BTreeMap::new();
        let mut problems = Vec::new();
        for (family, it) in &self.families {
            for name in it.samples.iter().map(String::as_str).chain([family.as_str()]) {
                if let Some(other) = known.insert(name, family).filter(|other| other != family) {
                    problems.push(format!("{name} is a name of {other} and {family}"));
                }
            }
            if it.metadata.get(..2) != Some(&["HELP".to_owned(), "TYPE".to_owned()]) {
                problems.push(format!("metadata of {family}: {:?}", it.metadata));
            }
        }
        self.problems.append(&mut problems);
    }

    fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }
}

/// Names and quoted values of labels.
fn split(labels: &str) -> Vec<(&str, &str)> {
    let (mut rest, mut pairs) = (labels, Vec::new());
    while let Some((name, quoted)) = rest.split_once("=\"") {
        let mut escaped = false;
        let end = quoted.char_indices().find(|(_, it)| {
            let is_end = *it == '"' && !escaped;
            escaped = *it == '\\' && !escaped;
            is_end
        });
        let (value, after) = quoted.split_at(end.map_or(quoted.len(), |(end, _)| end));
        pairs.push((name, value));
        rest = after.trim_start_matches(['"', ',']);
    }
    pairs
}

#[test]
fn a_faulty_text_has_problems() {
    let ok = "# HELP a A.\n# TYPE a counter\na_total{x=\"1\"} 3\na_created{x=\"1\"} 1.5\n\
        # HELP b_seconds B.\n# TYPE b_seconds gauge\n# UNIT b_seconds seconds\nb_seconds 1\n# EOF\n";
    assert_eq!(problems(ok), Vec::<String>::new());
    for (from, to) in [
        ("# EOF\n", ""),
        ("b_seconds 1", "b_seconds_total 1"),
        ("# TYPE b_seconds gauge\n", ""),
        ("# HELP b_seconds", "# HELP a"),
        ("a_created{x=\"1\"} 1.5", "a_total{x=\"1\"} 3"),
        ("seconds seconds", "seconds bytes"),
        ("a_total{x=\"1\"} 3", "a_total{x=\"1\",x=\"2\"} 3"),
        ("b_seconds", "a_total"),
        ("b_seconds 1", "b_seconds 1 # {} 1"),
    ] {
        assert!(!problems(&ok.replacen(from, to, 9)).is_empty(), "{from} to {to}");
    }
}
