//! Layers of settings: defaults, file, environment, command line.
//!
//! In: the texts of the layers. Out: settings with the origin of each value, or every problem of
//! every layer.
//! Invariant: the command line overrides the environment, the environment overrides the file, and
//! the file overrides the defaults; a layer with a problem yields no settings.

use super::problem::{Origin, Problem, nearest};
use super::yaml::{self, Content, Key, Node, Scalar};
use hopscope_core::settings::{Kind, Sections, Setting, Value};
use std::collections::{BTreeMap, HashMap};

/// The layers above the defaults.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// Name of the file, as problems report it, and its text.
    pub file: Option<(String, String)>,
    /// Environment variables. Names that do not begin with `HOPSCOPE_` are ignored.
    pub environment: Vec<(String, String)>,
    /// Options of the command line without their dashes, and their values.
    pub options: Vec<(String, String)>,
}

/// Valid settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<C> {
    /// The settings.
    pub config: C,
    /// Origin of each value, by path. Settings that are not in the map have their default.
    pub origins: BTreeMap<String, Origin>,
    /// Values that have no effect and probably were meant to have one.
    pub warnings: Vec<Problem>,
}

impl Layers {
    /// Merges the layers.
    ///
    /// # Errors
    ///
    /// All problems, in the order of the layers and of the file.
    pub fn load<C: Sections>(&self) -> Result<Loaded<C>, Vec<Problem>> {
        let mut merge = Merge::default();
        if let Some((name, text)) = &self.file {
            merge.file(name, text);
        }
        for (variable, text) in &self.environment {
            merge.variable(variable, text);
        }
        for (option, text) in &self.options {
            merge.option(option, text);
        }
        merge.finish()
    }
}

/// A merge of layers: the settings and problems so far.
struct Merge<C> {
    loaded: Loaded<C>,
    settings: Vec<&'static Setting>,
    problems: Vec<Problem>,
}

impl<C: Sections> Default for Merge<C> {
    fn default() -> Self {
        let loaded = Loaded { config: C::default(), origins: BTreeMap::new(), warnings: Vec::new() };
        Self { loaded, settings: C::settings(), problems: Vec::new() }
    }
}

impl<C: Sections> Merge<C> {
    fn problem(&mut self, origin: Origin, key: &str, message: impl Into<String>, suggestion: Option<String>) {
        let (key, message) = (key.to_owned(), message.into());
        self.problems.push(Problem { origin, key, message, suggestion });
    }

    fn set(&mut self, setting: &'static Setting, value: &Value, origin: Origin) {
        self.loaded.config.change(setting, value);
        self.loaded.origins.insert(setting.path(), origin);
    }

    fn parse(&mut self, setting: &'static Setting, text: &str, origin: Origin) {
        match setting.parse(text) {
            Ok(value) => self.set(setting, &value, origin),
            Err(message) => self.problem(origin, &setting.path(), message + &not(setting, text), None),
        }
    }

    fn variable(&mut self, variable: &str, text: &str) {
        let origin = Origin::Variable(variable.to_owned());
        // A chart sets a variable to the empty text when it has no value for it.
        if text.is_empty() || !variable.starts_with("HOPSCOPE_") {
            return;
        }
        match self.settings.iter().copied().find(|setting| setting.variable() == variable) {
            Some(setting) => self.parse(setting, text, origin),
            None => self.unknown_variable(origin, variable),
        }
    }

    /// Warns about a variable that resembles a setting. An unknown variable is no error, since
    /// Kubernetes sets variables such as `HOPSCOPE_PORT` for each service.
    fn unknown_variable(&mut self, origin: Origin, variable: &str) {
        let known: Vec<String> = self.settings.iter().map(|setting| setting.variable()).collect();
        if let Some(similar) = nearest(variable, known.iter().map(String::as_str)) {
            let message = "is an unknown setting and has no effect".to_owned();
            let suggestion = Some(similar.to_owned());
            self.loaded.warnings.push(Problem { origin, key: String::new(), message, suggestion });
        }
    }

    fn option(&mut self, option: &str, text: &str) {
        let origin = Origin::Option(option.to_owned());
        match self.settings.iter().copied().find(|setting| setting.option() == option) {
            Some(setting) => self.parse(setting, text, origin),
            None => self.problem(origin, "", "is an unknown option", None),
        }
    }

    fn file(&mut self, file: &str, text: &str) {
        let origin = |line, column| Origin::File { file: file.to_owned(), line, column };
        let node = match yaml::parse(text) {
            Ok(node) => node,
            Err(malformed) => {
                let message = format!("is invalid YAML: {}", malformed.message);
                return self.problem(origin(malformed.line, malformed.column), "the text", message, None);
            }
        };
        let names: Vec<&'static str> = C::default().sections().iter().map(|section| section.name()).collect();
        for (key, node) in self.entries(&node, "", &origin) {
            if names.contains(&key.text.as_str()) {
                for (inner, value) in self.entries(node, &key.text, &origin) {
                    self.entry(&key.text, inner, value, &origin);
                }
            } else {
                let suggestion = self.similar_section(&key.text, &names);
                self.problem(origin(key.line, key.column), &key.text, "is an unknown section", suggestion);
            }
        }
        self.problems.sort_by_key(|problem| match problem.origin {
            Origin::File { line, column, .. } => (line, column),
            _ => (0, 0),
        });
    }

    /// The entries of a mapping without repeated keys. A section without entries is `null`.
    fn entries<'a>(
        &mut self,
        node: &'a Node,
        path: &str,
        origin: &impl Fn(u64, u64) -> Origin,
    ) -> Vec<(&'a Key, &'a Node)> {
        let found = match &node.content {
            Content::Map(entries) => return self.unique(entries, path, origin),
            Content::Scalar(Scalar::Null) => return Vec::new(),
            Content::Scalar(scalar) => scalar.to_string(),
            Content::List => "a list".to_owned(),
        };
        let key = if path.is_empty() { "the file" } else { path };
        self.problem(origin(node.line, node.column), key, format!("must be a mapping, not {found}"), None);
        Vec::new()
    }

    /// The first entry of each key; a repeated key is a problem.
    fn unique<'a>(
        &mut self,
        entries: &'a [(Key, Node)],
        path: &str,
        origin: &impl Fn(u64, u64) -> Origin,
    ) -> Vec<(&'a Key, &'a Node)> {
        let mut lines = HashMap::new();
        let mut unique = Vec::new();
        for (key, value) in entries {
            match lines.insert(key.text.as_str(), key.line) {
                None => unique.push((key, value)),
                Some(line) => {
                    let message = format!("is already set on line {line}");
                    self.problem(origin(key.line, key.column), &join(path, &key.text), message, None);
                }
            }
        }
        unique
    }

    fn entry(&mut self, section: &str, key: &Key, node: &Node, origin: &impl Fn(u64, u64) -> Origin) {
        let path = join(section, &key.text);
        let Some(setting) = self.settings.iter().copied().find(|setting| setting.path() == path) else {
            let suggestion = self.similar_key(section, &key.text);
            return self.problem(origin(key.line, key.column), &path, "is an unknown setting", suggestion);
        };
        let origin = origin(node.line, node.column);
        match of_node(setting, &node.content) {
            Ok(value) => self.set(setting, &value, origin),
            Err(message) => self.problem(origin, &path, message, None),
        }
    }

    /// A similar section, or a similar setting, which may be outside of its section by mistake.
    fn similar_section(&self, word: &str, names: &[&'static str]) -> Option<String> {
        let similar = nearest(word, names.iter().copied()).map(str::to_owned);
        similar.or_else(|| self.similar_setting(word))
    }

    /// A similar setting of this section, or else of any section.
    fn similar_key(&self, section: &str, word: &str) -> Option<String> {
        let own = self.settings.iter().filter(|setting| setting.section == section);
        let similar = nearest(word, own.map(|setting| setting.key)).map(str::to_owned);
        similar.or_else(|| self.similar_setting(word))
    }

    fn similar_setting(&self, word: &str) -> Option<String> {
        let key = nearest(word, self.settings.iter().map(|setting| setting.key))?;
        let setting = self.settings.iter().find(|setting| setting.key == key)?;
        Some(setting.path())
    }

    fn finish(mut self) -> Result<Loaded<C>, Vec<Problem>> {
        // An invalid value is replaced by the default, so a conflict with it means nothing.
        let conflicts = if self.problems.is_empty() { self.loaded.config.conflicts() } else { Vec::new() };
        for (path, message) in conflicts {
            let origin = self.loaded.origins.get(path).cloned().unwrap_or(Origin::Default);
            self.problem(origin, path, format!("conflicts with another setting: {message}"), None);
        }
        if self.problems.is_empty() { Ok(self.loaded) } else { Err(self.problems) }
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// The given value, to be appended to the expected ones. A secret is not repeated.
fn not(setting: &Setting, found: &str) -> String {
    if setting.is_secret() { ", not the given value".to_owned() } else { format!(", not {found:?}") }
}

fn of_node(setting: &Setting, content: &Content) -> Result<Value, String> {
    let (value, found) = match content {
        Content::Scalar(scalar) => (of_scalar(setting, scalar), scalar.to_string()),
        Content::List => (None, "a list".to_owned()),
        Content::Map(_) => (None, "a mapping".to_owned()),
    };
    value.filter(|value| setting.accepts(value)).ok_or_else(|| {
        let found = if setting.is_secret() { "the given value" } else { &found };
        let quotes = match (setting.kind, content) {
            (Kind::Integer, Content::Scalar(Scalar::Text(text))) if text.parse::<u64>().is_ok() => {
                " (write the number without quotes)"
            }
            (
                Kind::Text | Kind::Secret | Kind::Path,
                Content::Scalar(Scalar::Boolean(_) | Scalar::Integer(_) | Scalar::Number(_)),
            ) => " (write the text in quotes)",
            _ => "",
        };
        format!("must be {}, not {found}{quotes}", setting.expected())
    })
}

fn of_scalar(setting: &Setting, scalar: &Scalar) -> Option<Value> {
    match (setting.kind, scalar) {
        (_, Scalar::Null) if setting.optional => Some(Value::Absent),
        (Kind::Integer, Scalar::Integer(number)) => Some(Value::Integer(*number)),
        (Kind::Boolean, Scalar::Boolean(on)) => Some(Value::Boolean(*on)),
        (Kind::Integer | Kind::Boolean, _) => None,
        (_, Scalar::Text(text)) => Some(Value::Text(text.clone())),
        _ => None,
    }
}
