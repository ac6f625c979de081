//! `hopscope config`.

use super::output;
use crate::config::shown::{self, Comments};
use crate::config::{Options, Source};
use crate::terminal::visible_lines;
use anyhow::Context;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Sources of the settings.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// YAML file with settings; `hopscope config --docs` lists all settings.
    #[arg(long, env = "HOPSCOPE_CONFIG", value_name = "FILE")]
    config: Option<OsString>,
    #[command(flatten)]
    options: Options,
}

impl Settings {
    pub(super) fn source(self) -> Source {
        // An empty variable counts as unset, as for every setting.
        let file = self.config.filter(|path| !path.is_empty());
        Source::new(file.map(PathBuf::from), self.options)
    }
}

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Show the source of each value.
    #[arg(long)]
    origins: bool,
    /// Show the documentation of each setting.
    #[arg(long, conflicts_with = "origins")]
    docs: bool,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { origins, docs, settings } = arguments;
    let comments = match (origins, docs) {
        (true, _) => Comments::Origins,
        (_, true) => Comments::Documentation,
        _ => Comments::None,
    };
    let loaded = settings.source().load().context("failed to configure")?;
    output::write(&visible_lines(&shown::yaml(&loaded, comments)))?;
    Ok(ExitCode::SUCCESS)
}
