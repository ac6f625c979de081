//! Command-line options of the settings.
//!
//! In: the declarations. Out: one option for each setting that is no secret, and the given values.
//! Invariant: a value is checked while the command line is parsed, so that clap reports the error.

use super::Config;
use super::shown;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use hopscope_core::settings::{Kind, Sections, Setting};

/// Given options without their dashes, and their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(
    /// In the order of the declarations.
    pub Vec<(String, String)>,
);

/// Settings that have an option.
fn public_settings() -> impl Iterator<Item = &'static Setting> {
    Config::settings().into_iter().filter(|setting| !setting.is_secret())
}

fn argument(setting: &'static Setting) -> Arg {
    let name = setting.option();
    let default = match shown::json(&Config::default().value(setting)) {
        serde_json::Value::Null => "none".to_owned(),
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    let value_name = match (setting.kind, setting.unit) {
        (Kind::Integer, "bytes" | "ms" | "s") => setting.unit.to_ascii_uppercase(),
        (Kind::Integer, _) => "N".to_owned(),
        (Kind::Address, _) => "IP:PORT".to_owned(),
        (Kind::Path, _) => "PATH".to_owned(),
        (Kind::Choice(words), _) => words.join("|"),
        (Kind::Boolean, _) => "true|false".to_owned(),
        (Kind::Text | Kind::Secret, _) => "TEXT".to_owned(),
    };
    Arg::new(name.clone())
        .long(name)
        .value_name(value_name)
        .help(format!("{} [default: {default}] [env: {}]", setting.description(), setting.variable()))
        .help_heading(format!("Settings of `{}`", setting.section))
        .value_parser(move |text: &str| setting.parse(text).map(|_| text.to_owned()))
}

impl Args for Options {
    fn augment_args(command: Command) -> Command {
        command.args(public_settings().map(argument))
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
        Ok(Self(public_settings().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
