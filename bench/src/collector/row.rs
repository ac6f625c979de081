//! Figures of one run.
//!
//! In: named numbers. Out: one line of text, or one JSON object.
//! Invariant: figures stand in the order in which they were added.

use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;
use std::fmt;

/// Figures of one run, by name.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    run: &'static str,
    figures: Vec<(Cow<'static, str>, f64)>,
}

impl Row {
    /// A row without figures.
    pub(crate) fn new(run: &'static str) -> Self {
        Self { run, figures: Vec::new() }
    }

    /// Name of the run.
    pub(crate) fn run(&self) -> &'static str {
        self.run
    }

    /// Adds a figure; its unit is the end of its name.
    #[must_use]
    pub(crate) fn with(mut self, name: impl Into<Cow<'static, str>>, value: f64) -> Self {
        self.figures.push((name.into(), value));
        self
    }

    /// Names of all figures.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Cow<'static, str>> {
        self.figures.iter().map(|(name, _)| name)
    }

    /// Value of a figure, if the run has it.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// Writes a value with two decimals where it has any and is small.
pub(super) fn number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.figures.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {}", number(*value))?;
        }
        Ok(())
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.figures.len() + 1))?;
        map.serialize_entry("name", self.run)?;
        for (name, value) in &self.figures {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
