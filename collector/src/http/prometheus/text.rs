//! Prometheus' text format 0.0.4, which has neither created times nor exemplars.

use super::Encoder;
use super::lines::Lines;
use super::parts::Sink;
use hopscope_core::metrics::{Buckets, Extra, Family, Labels, Number, Visitor};

/// Encoder of text 0.0.4.
pub(crate) struct Text<'a>(Lines<'a>);

impl<'a> Text<'a> {
    pub(crate) fn new(sink: &'a mut Sink<'a>) -> Self {
        Self(Lines::new(sink))
    }
}

impl Visitor for Text<'_> {
    fn is_stopped(&self) -> bool {
        self.0.parts.is_stopped()
    }

    fn family(&mut self, family: &'static Family) {
        self.0.family(family, family.name);
    }

    fn series(&mut self, labels: Labels<'_>) {
        self.0.series(labels);
    }

    fn number(&mut self, family: &'static Family, extra: Extra, value: Number, _: Option<u64>) {
        self.0.number(family.name, extra, value);
        self.0.parts.hand_over();
    }

    fn histogram(&mut self, family: &'static Family, buckets: &Buckets, _: Option<u64>) {
        self.0.histogram(family, buckets, false);
        self.0.parts.hand_over();
    }
}

impl Encoder for Text<'_> {
    fn end(mut self) {
        self.0.parts.flush();
    }
}
