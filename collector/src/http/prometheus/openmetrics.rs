//! OpenMetrics text 1.0, which has units, exemplars and, if wanted, created times.
//!
//! Invariant: the text ends with `# EOF` only when it is complete.
//!
//! Source: OpenMetrics 1.0, which names the family of a counter without `_total`.

use super::Encoder;
use super::lines::Lines;
use super::parts::Sink;
use hopscope_core::metrics::{Buckets, Extra, Family, Labels, Number, Visitor};

/// Encoder of OpenMetrics 1.0.
pub(crate) struct OpenMetrics<'a> {
    lines: Lines<'a>,
    created_samples: bool,
}

impl<'a> OpenMetrics<'a> {
    /// Returns an encoder. `created_samples`: whether each series has a sample `_created`.
    pub(crate) fn new(sink: &'a mut Sink<'a>, created_samples: bool) -> Self {
        Self { lines: Lines::new(sink), created_samples }
    }

    fn created(&mut self, extra: Extra, created_us: Option<u64>) {
        let created_us = created_us.filter(|_| self.created_samples);
        created_us.into_iter().for_each(|created_us| self.lines.created(extra, created_us));
    }
}

impl Visitor for OpenMetrics<'_> {
    fn is_stopped(&self) -> bool {
        self.lines.parts.is_stopped()
    }

    fn family(&mut self, family: &'static Family) {
        self.lines.family(family, family.base_name());
        self.lines.unit(family);
    }

    fn series(&mut self, labels: Labels<'_>) {
        self.lines.series(labels);
    }

    fn number(&mut self, family: &'static Family, extra: Extra, value: Number, created_us: Option<u64>) {
        self.lines.number(family.name, extra, value);
        self.created(extra, created_us);
        self.lines.parts.hand_over();
    }

    fn histogram(&mut self, family: &'static Family, buckets: &Buckets, created_us: Option<u64>) {
        self.lines.histogram(family, buckets, true);
        self.created(None, created_us);
        self.lines.parts.hand_over();
    }
}

impl Encoder for OpenMetrics<'_> {
    fn end(mut self) {
        self.lines.parts.bytes.extend_from_slice(b"# EOF\n");
        self.lines.parts.flush();
    }
}
