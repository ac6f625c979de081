//! A fake proxy, written as `name = value` lines; integers become numbers.

use super::attribute::Attribute;
use super::elements::{Element, elements};
use super::expression::Expression;
use super::one_by_one::{evaluate_each, is_inbound};
use super::source::Attributes;
use std::cell::Cell;

/// Attributes of a fake proxy, with expressions or, as in an old Envoy or another host, without.
pub(crate) struct FakeAttributes {
    rows: Vec<(String, Vec<u8>)>,
    has_expressions: bool,
    /// Host calls so far.
    pub(crate) calls: Cell<u32>,
}

impl FakeAttributes {
    pub(crate) fn parse(text: &str) -> Self {
        let row = |line: &str| {
            let (name, value) = line.split_once('=')?;
            let value = value.trim();
            let bytes = match value.parse::<i64>() {
                // A header is text even where it looks like a number.
                Ok(number) if !name.contains("headers") && !name.contains("trailers") => {
                    number.to_le_bytes().to_vec()
                }
                _ => value.as_bytes().to_vec(),
            };
            Some((name.trim().to_owned(), bytes))
        };
        Self { rows: text.lines().filter_map(row).collect(), has_expressions: true, calls: Cell::new(0) }
    }

    pub(crate) fn without_expressions(self) -> Self {
        Self { has_expressions: false, ..self }
    }
}

impl Attribute {
    /// Returns the segments of the path, separated by dots.
    pub(crate) fn name(self) -> String {
        self.path().iter().map(|byte| if *byte == 0 { '.' } else { char::from(*byte) }).collect()
    }
}

impl Attributes for FakeAttributes {
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
        self.calls.set(self.calls.get() + 1);
        let name = attribute.name();
        self.rows.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    fn evaluate(&self, expression: Expression) -> Option<Vec<u8>> {
        let before = self.calls.get();
        let result =
            (self.has_expressions && !fails(expression, self)).then(|| evaluate_each(expression, self));
        self.calls.set(before + 1);
        result
    }
}

/// Returns whether the evaluation fails because an attribute is missing.
fn fails(expression: Expression, attributes: &FakeAttributes) -> bool {
    let is_missing = |element: &Element| match element {
        Element::Number(attribute) | Element::Text(attribute) => attributes.bytes(*attribute).is_none(),
        Element::GrpcStatus | Element::Header(_) | Element::Metadata(_) | Element::IsPresent(_) => false,
    };
    attributes.bytes(Attribute::ListenerDirection).is_none()
        || expression == Expression::Request && elements(expression, is_inbound(attributes)).any(is_missing)
}
