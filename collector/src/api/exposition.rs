//! Metrics as text: Prometheus' format 0.0.4, or OpenMetrics 1.0 for those who ask for it.
//!
//! In: families and samples. Out: text. Always holds: a family's samples stand together below its head; label values are
//! escaped; an OpenMetrics text ends with `# EOF`.
//!
//! Source: Prometheus' exposition formats; OpenMetrics 1.0 (where a counter's family is named without `_total`).

use std::fmt::{Display, Write};

/// Which of the two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// The format that an `Accept` header asks for.
    pub(super) fn wanted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The kinds of families that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A text in the making.
pub(super) struct Exposition {
    text: String,
    format: Format,
}

/// Labels of one sample.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    pub(super) fn new(format: Format) -> Self {
        Self { text: String::new(), format }
    }

    /// Begins a family. The name of a counter ends with `_total`.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let name = match (self.format, kind) {
            (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample.
    pub(super) fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.text.push_str(name);
        if !labels.is_empty() {
            for (place, (label, text)) in labels.iter().enumerate() {
                self.text.push(if place == 0 { '{' } else { ',' });
                self.text.push_str(label);
                self.text.push_str("=\"");
                self.escaped(text);
                self.text.push('"');
            }
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// A family of one sample without labels.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The whole text.
    pub(super) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                c => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exposition, Format, Kind};

    #[track_caller]
    fn check(accept: &str, expected: &str) {
        let mut text = Exposition::new(Format::wanted(accept));
        text.family("a_total", Kind::Counter, "Things.");
        text.sample("a_total", &[("x", "q\"b\\n\n"), ("y", "")], 3);
        text.single("b", Kind::Gauge, "Others.", 0.5);
        assert_eq!(text.end(), expected);
    }

    #[test]
    fn both_formats() {
        check(
            "*/*",
            "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"q\\\"b\\\\n\\n\",y=\"\"} 3\n\
             # HELP b Others.\n# TYPE b gauge\nb 0.5\n",
        );
        check(
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "# HELP a Things.\n# TYPE a counter\na_total{x=\"q\\\"b\\\\n\\n\",y=\"\"} 3\n\
             # HELP b Others.\n# TYPE b gauge\nb 0.5\n# EOF\n",
        );
    }
}
