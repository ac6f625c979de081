//! Defaults, file, environment and command line, one over the other.
//!
//! In: their texts. Out: the settings with the origin of each, or every problem of every layer. Always holds: the
//! command line overrules the environment, that the file, that the defaults; a layer with a problem yields no settings.

use super::problem::{Place, Problem, nearest};
use super::section::Sections;
use super::setting::Setting;
use super::value::{Kind, Value};
use super::yaml::{self, Content, Key, Node, Scalar};
use std::collections::{BTreeMap, HashMap};

/// Where the value of a setting comes from.
pub type Origin = Place;

/// What lies over the defaults.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The name of the file, as problems shall give it, and its text.
    pub file: Option<(String, String)>,
    /// Environment variables, all or only those of Hopscope.
    pub environment: Vec<(String, String)>,
    /// Options of the command line without their dashes, and their values.
    pub options: Vec<(String, String)>,
}

/// Settings that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<C> {
    /// The settings.
    pub config: C,
    /// Where each value comes from, by path; what is not here is a default.
    pub origins: BTreeMap<String, Origin>,
    /// What is no error and yet probably not what was meant.
    pub warnings: Vec<Problem>,
}

impl Layers {
    /// Lays them over each other.
    ///
    /// # Errors
    ///
    /// All problems, in the order of the layers and of the file.
    pub fn load<C: Sections>(&self) -> Result<Loaded<C>, Vec<Problem>> {
        let mut laying = Laying::default();
        if let Some((name, text)) = &self.file {
            laying.file(name, text);
        }
        for (variable, text) in &self.environment {
            laying.variable(variable, text);
        }
        for (option, text) in &self.options {
            laying.option(option, text);
        }
        laying.end()
    }
}

struct Laying<C> {
    loaded: Loaded<C>,
    settings: Vec<&'static Setting>,
    problems: Vec<Problem>,
}

impl<C: Sections> Default for Laying<C> {
    fn default() -> Self {
        let loaded = Loaded { config: C::default(), origins: BTreeMap::new(), warnings: Vec::new() };
        Self { loaded, settings: C::settings(), problems: Vec::new() }
    }
}

impl<C: Sections> Laying<C> {
    fn problem(&mut self, place: Place, key: &str, message: impl Into<String>, meant: Option<String>) {
        let (key, message) = (key.to_owned(), message.into());
        self.problems.push(Problem { place, key, message, suggestion: meant });
    }

    fn set(&mut self, setting: &'static Setting, value: &Value, origin: Origin) {
        self.loaded.config.change(setting, value);
        self.loaded.origins.insert(setting.path(), origin);
    }

    fn variable(&mut self, variable: &str, text: &str) {
        let place = Place::Variable(variable.to_owned());
        // An empty variable is how a chart says that it has nothing to say.
        if text.is_empty() || !variable.starts_with("HOPSCOPE_") {
            return;
        }
        let Some(setting) = self.settings.iter().copied().find(|it| it.variable() == variable) else {
            return self.unknown_variable(place, variable);
        };
        match setting.of_text(text) {
            Ok(value) => self.set(setting, &value, place),
            Err(message) => self.problem(place, &setting.path(), message + &not(setting, text), None),
        }
    }

    /// Kubernetes sets variables for each service, such as `HOPSCOPE_PORT`, so an unknown one cannot be refused.
    fn unknown_variable(&mut self, place: Place, variable: &str) {
        let known: Vec<String> = self.settings.iter().map(|setting| setting.variable()).collect();
        if let Some(meant) = nearest(variable, known.iter().map(String::as_str)) {
            let message = "is no setting and has no effect".to_owned();
            let suggestion = Some(meant.to_owned());
            self.loaded.warnings.push(Problem { place, key: String::new(), message, suggestion });
        }
    }

    fn option(&mut self, option: &str, text: &str) {
        let place = Place::Option(option.to_owned());
        let Some(setting) = self.settings.iter().copied().find(|it| it.option() == option) else {
            return self.problem(place, "", "is no option", None);
        };
        match setting.of_text(text) {
            Ok(value) => self.set(setting, &value, place),
            Err(message) => self.problem(place, &setting.path(), message + &not(setting, text), None),
        }
    }

    fn file(&mut self, file: &str, text: &str) {
        let place = |line, column| Place::File { file: file.to_owned(), line, column };
        let node = match yaml::parse(text) {
            Ok(node) => node,
            Err(malformed) => {
                let message = format!("is no YAML: {}", malformed.message);
                return self.problem(place(malformed.line, malformed.column), "the text", message, None);
            }
        };
        let names: Vec<&'static str> = C::default().sections().iter().map(|section| section.name()).collect();
        for (key, node) in self.entries(&node, "", &place) {
            if names.contains(&key.text.as_str()) {
                for (inner, value) in self.entries(node, &key.text, &place) {
                    self.entry(&key.text, inner, value, &place);
                }
            } else {
                let suggestion = self.section_meant(&key.text, &names);
                self.problem(place(key.line, key.column), &key.text, "is no section", suggestion);
            }
        }
        self.problems.sort_by_key(|problem| match problem.place {
            Place::File { line, column, .. } => (line, column),
            _ => (0, 0),
        });
    }

    /// The entries of a mapping, each once; a section without any is `null`.
    fn entries<'a>(
        &mut self,
        node: &'a Node,
        path: &str,
        place: &impl Fn(u64, u64) -> Place,
    ) -> Vec<(&'a Key, &'a Node)> {
        let found = match &node.content {
            Content::Map(entries) => {
                let mut lines = HashMap::new();
                let mut once = Vec::new();
                for (key, value) in entries {
                    match lines.insert(key.text.as_str(), key.line) {
                        None => once.push((key, value)),
                        Some(line) => {
                            let message = format!("stands on line {line} already");
                            self.problem(place(key.line, key.column), &join(path, &key.text), message, None);
                        }
                    }
                }
                return once;
            }
            Content::Scalar(Scalar::Null) => return Vec::new(),
            Content::Scalar(scalar) => scalar.to_string(),
            Content::List => "a list".to_owned(),
        };
        let key = if path.is_empty() { "the file" } else { path };
        self.problem(place(node.line, node.column), key, format!("must be a mapping, not {found}"), None);
        Vec::new()
    }

    fn entry(&mut self, section: &str, key: &Key, node: &Node, place: &impl Fn(u64, u64) -> Place) {
        let path = join(section, &key.text);
        let Some(setting) = self.settings.iter().copied().find(|setting| setting.path() == path) else {
            let meant = self.key_meant(section, &key.text);
            return self.problem(place(key.line, key.column), &path, "is no setting", meant);
        };
        let place = place(node.line, node.column);
        match of_node(setting, &node.content) {
            Ok(value) => self.set(setting, &value, place),
            Err(message) => self.problem(place, &path, message, None),
        }
    }

    /// The section, or the setting that stands outside of its section.
    fn section_meant(&self, word: &str, names: &[&'static str]) -> Option<String> {
        let near = nearest(word, names.iter().copied()).map(str::to_owned);
        near.or_else(|| self.anywhere(word))
    }

    /// The setting of this section, or of another one.
    fn key_meant(&self, section: &str, word: &str) -> Option<String> {
        let own = self.settings.iter().filter(|setting| setting.section == section);
        let near = nearest(word, own.map(|setting| setting.key)).map(str::to_owned);
        near.or_else(|| self.anywhere(word))
    }

    fn anywhere(&self, word: &str) -> Option<String> {
        let key = nearest(word, self.settings.iter().map(|setting| setting.key))?;
        let setting = self.settings.iter().find(|setting| setting.key == key)?;
        Some(setting.path())
    }

    fn end(mut self) -> Result<Loaded<C>, Vec<Problem>> {
        // Between values of which some are missing, a conflict says nothing.
        let conflicts = if self.problems.is_empty() { self.loaded.config.conflicts() } else { Vec::new() };
        for (path, message) in conflicts {
            let place = self.loaded.origins.get(path).cloned().unwrap_or(Place::Default);
            self.problem(place, path, format!("does not fit: {message}"), None);
        }
        if self.problems.is_empty() { Ok(self.loaded) } else { Err(self.problems) }
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// What was given instead; a secret is not repeated.
fn not(setting: &Setting, found: &str) -> String {
    if setting.is_secret() { ", not what is there".to_owned() } else { format!(", not {found:?}") }
}

fn of_node(setting: &Setting, content: &Content) -> Result<Value, String> {
    let (value, found) = match content {
        Content::Scalar(scalar) => (of_scalar(setting, scalar), scalar.to_string()),
        Content::List => (None, "a list".to_owned()),
        Content::Map(_) => (None, "a mapping".to_owned()),
    };
    value.filter(|value| setting.accepts(value)).ok_or_else(|| {
        let found = if setting.is_secret() { "what is there" } else { &found };
        let quotes = match (setting.kind, content) {
            (Kind::Whole, Content::Scalar(Scalar::Text(text))) if text.parse::<u64>().is_ok() => {
                " (a number stands without quotes)"
            }
            (
                Kind::Text | Kind::Secret | Kind::Path,
                Content::Scalar(Scalar::Switch(_) | Scalar::Whole(_) | Scalar::Number(_)),
            ) => " (a text that looks like something else stands in quotes)",
            _ => "",
        };
        format!("must be {}, not {found}{quotes}", setting.expected())
    })
}

fn of_scalar(setting: &Setting, scalar: &Scalar) -> Option<Value> {
    match (setting.kind, scalar) {
        (_, Scalar::Null) if setting.optional => Some(Value::Absent),
        (Kind::Whole, Scalar::Whole(number)) => Some(Value::Whole(*number)),
        (Kind::Switch, Scalar::Switch(on)) => Some(Value::Switch(*on)),
        (Kind::Whole | Kind::Switch, _) => None,
        (_, Scalar::Text(text)) => Some(Value::Text(text.clone())),
        _ => None,
    }
}
