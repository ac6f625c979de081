//! Settings as YAML.
//!
//! In: settings, and where they come from. Out: a file that says the same. Always holds: what is secret is masked; each
//! setting is there; read again, it gives the same settings, but for secrets.

use super::layers::Loaded;
use super::section::{Section, Sections};
use super::setting::{MASK, Setting};
use super::value::{Kind, Value};
use std::fmt::Write;

/// What stands beside the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// Where each comes from.
    Origins,
    /// What each is for.
    Documentation,
}

const WIDTH: usize = 100;

/// All settings.
#[must_use]
pub fn yaml<C: Sections>(loaded: &Loaded<C>, beside: Beside) -> String {
    let mut text = String::new();
    for (place, section) in loaded.config.sections().into_iter().enumerate() {
        if place > 0 && beside == Beside::Documentation {
            text.push('\n');
        }
        if beside == Beside::Documentation {
            comment(&mut text, "", section.doc());
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}:", section.name());
        for setting in section.settings() {
            entry(&mut text, loaded, section, setting, beside);
        }
    }
    text
}

/// The defaults, with what each is for.
#[must_use]
pub fn annotated<C: Sections>() -> String {
    let loaded = Loaded { config: C::default(), origins: Default::default(), warnings: Vec::new() };
    yaml(&loaded, Beside::Documentation)
}

fn entry<C>(text: &mut String, loaded: &Loaded<C>, section: &dyn Section, setting: &Setting, beside: Beside) {
    if beside == Beside::Documentation {
        comment(text, "  ", setting.sentence());
        comment(text, "  ", &facts(setting));
    }
    let value = section.get(setting.key).unwrap_or(Value::Absent);
    let shown = masked(setting, &value).json();
    let _ = write!(text, "  {}: {shown}", setting.key);
    if beside == Beside::Origins {
        let origin = loaded.origins.get(&setting.path());
        let _ = write!(text, " # {}", origin.map_or_else(|| "default".to_owned(), ToString::to_string));
    }
    text.push('\n');
}

/// The value, or a mask when it is nobody's business.
#[must_use]
pub fn masked(setting: &Setting, value: &Value) -> Value {
    if setting.is_secret() && *value != Value::Absent { Value::Text(MASK.to_owned()) } else { value.clone() }
}

/// Range, unit, and the other ways to set it.
fn facts(setting: &Setting) -> String {
    let what = match (setting.kind, setting.unit) {
        (Kind::Whole, unit) => {
            let (min, max) = setting.range;
            format!("{min} to {max} {unit}").trim_end().to_owned()
        }
        _ => setting.expected(),
    };
    let null = if setting.optional { ", or null" } else { "" };
    let option = if setting.is_secret() { String::new() } else { format!(", --{}", setting.option()) };
    let live = if setting.live { "at a reload" } else { "at a restart" };
    format!("{what}{null}. {}{option}. Changes {live}.", setting.variable())
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
