//! Explanations of outcomes: Envoy's response code details and transport failure reason.
//!
//! In: two texts per outcome; both can be empty.
//! Out: the texts by the index of the outcome.
//! Invariant: an outcome without explanation takes no memory; texts are copied only on request.

use super::edge_table::Span;
use crate::text::Text;
use prost::bytes::Bytes;

/// Envoy's explanation of one outcome. A missing text is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail {
    /// `response.code_details`.
    pub code_details: Text,
    /// `upstream.transport_failure_reason`.
    pub transport_failure_reason: Text,
}

/// Explanations of the outcomes of a batch.
#[derive(Debug, Clone, Default)]
pub struct Details {
    bytes: Bytes,
    /// Indexes of [`Batch::outcomes`](super::Batch::outcomes) in rising order, with their texts.
    rows: Vec<(usize, [Span; 2])>,
}

impl Details {
    /// Appends the explanation of an outcome. `spans` are positions of UTF-8 texts in `bytes`, the
    /// same buffer for all calls. Calls come in the order of the outcomes.
    pub(crate) fn push(&mut self, bytes: &Bytes, outcome: usize, spans: [Span; 2]) {
        if spans.iter().all(|(_, length)| *length == 0) {
            return;
        }
        if self.rows.is_empty() {
            self.bytes = bytes.clone();
        }
        self.rows.push((outcome, spans));
    }

    /// Creates the explanations of outcomes, in rising order of their indexes.
    pub(crate) fn of<'a>(rows: impl Iterator<Item = (usize, [&'a str; 2])>) -> Self {
        let mut texts = Vec::new();
        let mut spans = Vec::new();
        for (outcome, pair) in rows.filter(|(_, pair)| pair.iter().any(|text| !text.is_empty())) {
            let span = pair.map(|text| {
                let start = u32::try_from(texts.len()).unwrap_or(u32::MAX);
                texts.extend_from_slice(text.as_bytes());
                (start, u32::try_from(text.len()).unwrap_or(0))
            });
            spans.push((outcome, span));
        }
        Self { bytes: texts.into(), rows: spans }
    }

    /// Returns the explanation of an outcome.
    #[must_use]
    pub fn get(&self, outcome: usize) -> Detail {
        let index = self.rows.binary_search_by_key(&outcome, |(outcome, _)| *outcome);
        let Some((_, [code, transport])) = index.ok().and_then(|index| self.rows.get(index)) else {
            return Detail::default();
        };
        Detail { code_details: self.text(*code), transport_failure_reason: self.text(*transport) }
    }

    fn text(&self, (start, length): Span) -> Text {
        let bytes = self.bytes.get(start as usize..).and_then(|rest| rest.get(..length as usize));
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default().into()
    }
}

impl PartialEq for Details {
    fn eq(&self, other: &Self) -> bool {
        let all = |details: &Self| -> Vec<(usize, Detail)> {
            details.rows.iter().map(|(outcome, _)| (*outcome, details.get(*outcome))).collect()
        };
        all(self) == all(other)
    }
}

#[cfg(test)]
mod tests {
    use super::{Detail, Details};

    #[test]
    fn outcomes_without_explanation_take_no_row() {
        let rows = [["", ""], ["via_upstream", ""], ["", ""], ["", "TLS_error"]];
        let details = Details::of(rows.into_iter().enumerate());
        let detail = |code: &str, transport: &str| Detail {
            code_details: code.into(),
            transport_failure_reason: transport.into(),
        };
        assert_eq!(details.rows.len(), 2);
        let found: Vec<Detail> = (0..5).map(|index| details.get(index)).collect();
        let none = Detail::default;
        assert_eq!(found, [none(), detail("via_upstream", ""), none(), detail("", "TLS_error"), none()]);
    }
}
