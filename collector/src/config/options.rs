//! The settings on the command line.
//!
//! In: the declarations. Out: one option for each that is no secret, and what was given. Always holds: a value is checked
//! while the command line is read, so that the answer is clap's own; a secret has no option, since others can read the
//! command line.

use super::Config;
use super::layers::Layers;
use super::section::Sections;
use super::setting::Setting;
use super::value::Kind;
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

/// Options that were given, without their dashes, and their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(
    /// In the order of the declarations.
    pub Vec<(String, String)>,
);

/// The settings that have options.
fn offered() -> impl Iterator<Item = &'static Setting> {
    Config::settings().into_iter().filter(|setting| !setting.is_secret())
}

fn argument(setting: &'static Setting) -> Arg {
    let name = setting.option();
    let default = match Config::default().value(setting).json() {
        serde_json::Value::Null => "none".to_owned(),
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    let unit = match (setting.kind, setting.unit) {
        (Kind::Whole, "bytes" | "ms" | "s") => setting.unit.to_ascii_uppercase(),
        (Kind::Whole, _) => "N".to_owned(),
        (Kind::Address, _) => "IP:PORT".to_owned(),
        (Kind::Path, _) => "PATH".to_owned(),
        (Kind::Choice(names), _) => names.join("|"),
        (Kind::Switch, _) => "true|false".to_owned(),
        (Kind::Text | Kind::Secret, _) => "TEXT".to_owned(),
    };
    Arg::new(name.clone())
        .long(name)
        .value_name(unit)
        .help(format!("{} [default: {default}] [env: {}]", setting.sentence(), setting.variable()))
        .help_heading(format!("Settings of `{}`", setting.section))
        .value_parser(move |text: &str| setting.of_text(text).map(|_| text.to_owned()))
}

impl Args for Options {
    fn augment_args(command: Command) -> Command {
        command.args(offered().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Options {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |setting: &Setting| {
            let option = setting.option();
            matches.get_one::<String>(&option).map(|text| (option.clone(), text.clone()))
        };
        Ok(Self(offered().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The settings without a file: defaults, environment, options. For whoever embeds or tests the collector.
impl Args for Config {
    fn augment_args(command: Command) -> Command {
        Options::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Options::augment_args(command)
    }
}

impl FromArgMatches for Config {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let Options(options) = Options::from_arg_matches(matches)?;
        let layers = Layers { file: None, environment: super::source::environment(), options };
        let told = |problems: Vec<super::Problem>| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Error::raw(ErrorKind::ValueValidation, lines.join("\n") + "\n")
        };
        layers.load().map(|loaded| loaded.config).map_err(told)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
