//! OpenMetrics text 1.0, which has created times and exemplars.
//!
//! Invariant: the text ends with `# EOF` only when it is complete.
//!
//! Source: OpenMetrics 1.0, which names the family of a counter without `_total`.

use super::Encoder;
use super::lines::Lines;
use super::parts::Sink;
use hopscope_core::metrics::{Buckets, Extra, Family, Labels, Number, Visitor};

/// Encoder of OpenMetrics 1.0.
pub(crate) struct OpenMetrics<'a>(Lines<'a>);

impl<'a> OpenMetrics<'a> {
    pub(crate) fn new(sink: &'a mut Sink<'a>) -> Self {
        Self(Lines::new(sink))
    }
}

impl Visitor for OpenMetrics<'_> {
    fn is_stopped(&self) -> bool {
        self.0.parts.is_stopped()
    }

    fn family(&mut self, family: &'static Family) {
        self.0.family(family, family.base_name());
    }

    fn series(&mut self, labels: Labels<'_>) {
        self.0.series(labels);
    }

    fn number(&mut self, family: &'static Family, extra: Extra, value: Number, created_us: Option<u64>) {
        self.0.number(family.name, extra, value);
        created_us.into_iter().for_each(|created_us| self.0.created(extra, created_us));
        self.0.parts.hand_over();
    }

    fn histogram(&mut self, family: &'static Family, buckets: &Buckets, created_us: Option<u64>) {
        self.0.histogram(family, buckets, true);
        created_us.into_iter().for_each(|created_us| self.0.created(None, created_us));
        self.0.parts.hand_over();
    }
}

impl Encoder for OpenMetrics<'_> {
    fn end(mut self) {
        self.0.parts.bytes.extend_from_slice(b"# EOF\n");
        self.0.parts.flush();
    }
}
