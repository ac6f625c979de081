//! Metrics as text: Prometheus' format 0.0.4, or OpenMetrics 1.0 for those who ask for it.
//!
//! In: families and samples. Out: text. Always holds: a family's samples stand together below its head; label values are
//! escaped; an OpenMetrics text ends with `# EOF`.
//!
//! Source: Prometheus' exposition formats; OpenMetrics 1.0 (where a counter's family is named without `_total`).

use crate::aggregate::Exemplar;
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

/// So much text is handed on together.
const PART_BYTES: usize = 256 << 10;
/// With the sample that makes it so much.
const ROOM_BYTES: usize = PART_BYTES + (4 << 10);

/// Where a text goes, part by part; `false` when nobody wants more of it.
pub(super) type Sink<'a> = dyn FnMut(String) -> bool + 'a;

/// A text in the making.
pub(super) struct Exposition<'a> {
    text: String,
    format: Format,
    /// None for a part.
    sink: Option<&'a mut Sink<'a>>,
    wanted: bool,
}

/// Labels of a sample, spelled once for all samples that have them.
pub(super) struct Spelled(String);

/// Labels of one sample.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl<'a> Exposition<'a> {
    pub(super) fn new(format: Format, sink: &'a mut Sink<'a>) -> Self {
        Self { text: String::with_capacity(ROOM_BYTES), format, sink: Some(sink), wanted: true }
    }

    /// What `tell` tells, to be [put](Self::put) into another text. Nothing is handed on, so it may be told while the rooms are
    /// locked: who takes a text is waited for, and may wait for the rooms.
    pub(super) fn part(format: Format, tell: impl FnOnce(&mut Exposition<'_>)) -> String {
        let mut part = Exposition { text: String::new(), format, sink: None, wanted: true };
        tell(&mut part);
        part.text
    }

    /// Adds a part.
    pub(super) fn put(&mut self, part: &str) {
        self.text.push_str(part);
        self.hand_on(PART_BYTES);
    }

    /// As it was asked for.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Hands on nothing more.
    pub(super) fn give_up(&mut self) {
        self.wanted = false;
    }

    /// Whether anybody still wants it.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Spells labels.
    pub(super) fn spell(labels: Labels<'_>) -> Spelled {
        let mut text = String::with_capacity(1 << 10);
        for (place, (label, value)) in labels.iter().enumerate() {
            text.push_str(if place == 0 { "" } else { "," });
            text.push_str(label);
            text.push_str("=\"");
            escaped(&mut text, value);
            text.push('"');
        }
        Spelled(text)
    }

    /// One sample with labels that are spelled already, and a last one such as `,le="0.5"`, or nothing.
    pub(super) fn spelled(&mut self, name: &str, labels: &Spelled, last: &str, value: impl Display) {
        for part in [name, "{", &labels.0, last, "} "] {
            self.text.push_str(part);
        }
        let _ = writeln!(self.text, "{value}");
        self.hand_on(PART_BYTES);
    }

    /// When the series with these labels began, Unix time, below the last sample of it. The older format has no place for it.
    pub(super) fn created(&mut self, name: &str, labels: &Spelled, created_us: u64) {
        if self.format == Format::OpenMetrics {
            let name = name.strip_suffix("_total").unwrap_or(name);
            self.spelled(&format!("{name}_created"), labels, "", created_us as f64 / 1_000_000.0);
        }
    }

    /// The same with a request that is in that bucket. The older format has no place for it.
    pub(super) fn marked(
        &mut self,
        name: &str,
        labels: &Spelled,
        last: &str,
        value: u64,
        exemplar: Option<Exemplar>,
    ) {
        let Some(it) = exemplar.filter(|_| self.format == Format::OpenMetrics) else {
            return self.spelled(name, labels, last, value);
        };
        let Exemplar { request_id_hash, duration_us, ended_us } = it;
        let seconds = |us: u64| us as f64 / 1_000_000.0;
        let (value_s, ended_s) = (seconds(duration_us), seconds(ended_us));
        let mark = format!("# {{request_id_hash=\"{request_id_hash:08x}\"}} {value_s} {ended_s}");
        self.spelled(name, labels, last, format_args!("{value} {mark}"));
    }

    fn hand_on(&mut self, bytes: usize) {
        if let Some(sink) = &mut self.sink
            && self.wanted
            && self.text.len() >= bytes
        {
            self.wanted = sink(std::mem::replace(&mut self.text, String::with_capacity(ROOM_BYTES)));
        }
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
            let Spelled(labels) = Self::spell(labels);
            for part in ["{", &labels, "}"] {
                self.text.push_str(part);
            }
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// A family of one sample without labels.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// Hands on what is left.
    pub(super) fn end(mut self) {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.hand_on(0);
    }
}

fn escaped(text: &mut String, value: &str) {
    if !value.contains(['\\', '"', '\n']) {
        return text.push_str(value);
    }
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exposition, Format, Kind, PART_BYTES};
    use std::cell::Cell;

    #[track_caller]
    fn check(accept: &str, expected: &str) {
        let mut told = String::new();
        let mut sink = |part: String| {
            told.push_str(&part);
            true
        };
        let mut text = Exposition::new(Format::wanted(accept), &mut sink);
        text.family("a_total", Kind::Counter, "Things.");
        text.sample("a_total", &[("x", "q\"b\\n\n"), ("y", "")], 3);
        text.single("b", Kind::Gauge, "Others.", 0.5);
        text.end();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_part_is_handed_on_with_the_text_that_it_is_put_into() {
        let parts = Cell::new(0);
        let mut sink = |_: String| {
            parts.set(parts.get() + 1);
            true
        };
        let mut text = Exposition::new(Format::Prometheus, &mut sink);
        let labels = Exposition::spell(&[("x", "y")]);
        let fill = |text: &mut Exposition<'_>| {
            for value in 0..3 * PART_BYTES / 10 {
                text.spelled("a", &labels, "", value);
            }
        };
        let part = Exposition::part(text.format(), fill);
        assert_eq!(parts.get(), 0);
        text.put(&part);
        assert_eq!(parts.get(), 1);
        fill(&mut text);
        let wanted = parts.get();
        assert!(wanted > 2, "{wanted}");
        text.give_up();
        fill(&mut text);
        text.end();
        assert_eq!(parts.get(), wanted);
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
