//! Settings as YAML.
//!
//! In: settings with their origins. Out: a file with the same settings.
//! Invariant: secrets are masked; each setting is in the file; the file is read again as the same
//! settings, except secrets.

use super::layers::Loaded;
use hopscope_core::settings::{Kind, MASK, Section, Sections, Setting, Value};
use serde_json::json;
use std::fmt::Write;

/// Comments in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comments {
    /// No comments.
    None,
    /// The origin of each value, beside it.
    Origins,
    /// The documentation of each setting, above it.
    Documentation,
}

const WIDTH: usize = 100;

/// All settings as YAML.
#[must_use]
pub fn yaml<C: Sections>(loaded: &Loaded<C>, comments: Comments) -> String {
    let mut text = String::new();
    for (index, section) in loaded.config.sections().into_iter().enumerate() {
        if index > 0 && comments == Comments::Documentation {
            text.push('\n');
        }
        if comments == Comments::Documentation {
            comment(&mut text, "", section.doc());
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}:", section.name());
        for setting in section.settings() {
            entry(&mut text, loaded, section, setting, comments);
        }
    }
    text
}

/// The default settings as YAML, with their documentation.
#[must_use]
pub fn annotated<C: Sections>() -> String {
    let loaded = Loaded { config: C::default(), origins: Default::default(), warnings: Vec::new() };
    yaml(&loaded, Comments::Documentation)
}

/// A value as JSON, which is valid YAML.
#[must_use]
pub fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Absent => serde_json::Value::Null,
        Value::Integer(number) => json!(number),
        Value::Boolean(on) => json!(on),
        Value::Text(text) => json!(text),
    }
}

/// The value, or a mask if the setting is a secret.
#[must_use]
pub fn masked(setting: &Setting, value: &Value) -> Value {
    if setting.is_secret() && *value != Value::Absent { Value::Text(MASK.to_owned()) } else { value.clone() }
}

fn entry<C>(
    text: &mut String,
    loaded: &Loaded<C>,
    section: &dyn Section,
    setting: &Setting,
    comments: Comments,
) {
    if comments == Comments::Documentation {
        comment(text, "  ", setting.description());
        comment(text, "  ", &facts(setting));
    }
    let value = section.get(setting.key).unwrap_or(Value::Absent);
    let shown = json(&masked(setting, &value));
    let _ = write!(text, "  {}: {shown}", setting.key);
    if comments == Comments::Origins {
        let origin = loaded.origins.get(&setting.path());
        let _ = write!(text, " # {}", origin.map_or_else(|| "default".to_owned(), ToString::to_string));
    }
    text.push('\n');
}

/// Range, unit, variable and option of a setting, and how it changes.
fn facts(setting: &Setting) -> String {
    let values = match (setting.kind, setting.unit) {
        (Kind::Integer, unit) => {
            let (min, max) = setting.range;
            format!("{min} to {max} {unit}").trim_end().to_owned()
        }
        _ => setting.expected(),
    };
    let null = if setting.optional { ", or null" } else { "" };
    let option = if setting.is_secret() { String::new() } else { format!(", --{}", setting.option()) };
    let changed_by = if setting.live { "reload" } else { "restart" };
    format!("{values}{null}. {}{option}. Changed by a {changed_by}.", setting.variable())
}

fn comment(text: &mut String, indent: &str, sentence: &str) {
    let mut line = format!("{indent}#");
    for word in sentence.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = format!("{indent}#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}
