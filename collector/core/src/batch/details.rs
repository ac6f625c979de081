//! What explains how requests ended, beside the outcomes of a batch and no part of them.
//!
//! In: the two texts of an outcome, where it has them. Out: the same, by the outcome's place. Always holds: an outcome that
//! explains nothing takes no room; texts are copied when somebody asks, and only then.

use super::Text;
use super::edge_table::Span;
use prost::bytes::Bytes;

/// What Envoy says of one outcome. What it does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail {
    /// `response.code_details`.
    pub code_details: Text,
    /// `upstream.transport_failure_reason`.
    pub transport_failure_reason: Text,
}

/// See above.
#[derive(Debug, Clone, Default)]
pub struct Details {
    bytes: Bytes,
    /// By places of [`Batch::outcomes`](super::Batch::outcomes), in rising order.
    rows: Vec<(usize, [Span; 2])>,
}

impl Details {
    /// What the outcome at this place explains; `spans` are places of UTF-8 in `bytes`, the same for all calls. Outcomes come
    /// in the order of their places.
    pub(crate) fn push(&mut self, bytes: &Bytes, outcome: usize, spans: [Span; 2]) {
        if spans.iter().all(|(_, length)| *length == 0) {
            return;
        }
        if self.rows.is_empty() {
            self.bytes = bytes.clone();
        }
        self.rows.push((outcome, spans));
    }

    /// Details of outcomes in the order of their places.
    pub(crate) fn of<'a>(rows: impl Iterator<Item = (usize, [&'a str; 2])>) -> Self {
        let mut texts = Vec::new();
        let mut spans = Vec::new();
        for (outcome, told) in rows.filter(|(_, told)| told.iter().any(|text| !text.is_empty())) {
            let span = told.map(|text| {
                let start = u32::try_from(texts.len()).unwrap_or(u32::MAX);
                texts.extend_from_slice(text.as_bytes());
                (start, u32::try_from(text.len()).unwrap_or(0))
            });
            spans.push((outcome, span));
        }
        Self { bytes: texts.into(), rows: spans }
    }

    /// What explains the outcome at this place.
    #[must_use]
    pub fn get(&self, outcome: usize) -> Detail {
        let place = self.rows.binary_search_by_key(&outcome, |(outcome, _)| *outcome);
        let Some((_, [code, transport])) = place.ok().and_then(|place| self.rows.get(place)) else {
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
        let all = |it: &Self| -> Vec<(usize, Detail)> {
            it.rows.iter().map(|(outcome, _)| (*outcome, it.get(*outcome))).collect()
        };
        all(self) == all(other)
    }
}

#[cfg(test)]
mod tests {
    use super::{Detail, Details};

    #[test]
    fn what_explains_nothing_takes_no_room() {
        let rows = [["", ""], ["via_upstream", ""], ["", ""], ["", "TLS_error"]];
        let details = Details::of(rows.into_iter().enumerate());
        let detail = |code: &str, transport: &str| Detail {
            code_details: code.into(),
            transport_failure_reason: transport.into(),
        };
        assert_eq!(details.rows.len(), 2);
        let told: Vec<Detail> = (0..5).map(|place| details.get(place)).collect();
        let none = Detail::default;
        assert_eq!(told, [none(), detail("via_upstream", ""), none(), detail("", "TLS_error"), none()]);
    }
}
