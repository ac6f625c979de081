//! Source of the settings of this process.
//!
//! In: the name of a file, the environment, the options. Out: settings, each time they are loaded.
//! Invariant: the file is read as a whole, and only up to [`FILE_BYTES_MAX`]; environment and
//! options are read once.

use super::layers::{Layers, Loaded};
use super::{Config, Options, Problem};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use std::fmt::Write;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Largest file: a thousand times the size of a file with every setting.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// Failure to load the settings. The text fits "failed to configure: …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The settings are invalid.
    #[error("{}", listed(.0))]
    Invalid(Vec<Problem>),
}

fn listed(problems: &[Problem]) -> String {
    let count = problems.len();
    let mut text = if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") };
    for problem in problems {
        let _ = write!(text, "\n  {problem}");
    }
    text
}

/// The file, the environment and the options of this process.
#[derive(Debug, Clone, Default)]
pub struct Source {
    file: Option<PathBuf>,
    environment: Vec<(String, String)>,
    options: Options,
}

impl Source {
    /// A source with the environment of this process.
    #[must_use]
    pub fn new(file: Option<PathBuf>, options: Options) -> Self {
        Self { file, environment: environment(), options }
    }

    /// A source with a file only; `-` is standard input.
    #[must_use]
    pub fn of_file(file: PathBuf) -> Self {
        Self { file: Some(file), ..Self::default() }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads and checks the settings again, of a regular file only: a FIFO would wait for a writer,
    /// and look like an empty file without one.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn reload(&self) -> Result<Loaded<Config>, Error> {
        self.load_with(regular_text)
    }

    /// Reads and checks the settings.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] when the file cannot be read, [`Error::Invalid`] with all problems of all
    /// layers.
    pub fn load(&self) -> Result<Loaded<Config>, Error> {
        self.load_with(text)
    }

    fn load_with(&self, text: fn(&Path) -> io::Result<String>) -> Result<Loaded<Config>, Error> {
        let read = |path: &PathBuf| match text(path) {
            Ok(text) => Ok((path.display().to_string(), text)),
            Err(source) => Err(Error::Read { path: path.clone(), source }),
        };
        let file = self.file.as_ref().map(read).transpose()?;
        let Options(options) = self.options.clone();
        let layers = Layers { file, environment: self.environment.clone(), options };
        layers.load().map_err(Error::Invalid)
    }
}

fn text(path: &Path) -> io::Result<String> {
    if path == Path::new("-") { bounded(io::stdin().lock()) } else { bounded(File::open(path)?) }
}

fn regular_text(path: &Path) -> io::Result<String> {
    // Without waiting, since the path may be a FIFO by now.
    let without_waiting = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(without_waiting).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    bounded(file)
}

fn bounded(reader: impl Read) -> io::Result<String> {
    let mut text = String::new();
    let size = reader.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if size as u64 > FILE_BYTES_MAX {
        let message = format!("the file is larger than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// Environment variables whose names begin with `HOPSCOPE_`. Values that are not Unicode get
/// replacement characters, which the check of the setting refuses where they are invalid.
fn environment() -> Vec<(String, String)> {
    let variables = std::env::vars_os().filter_map(|(name, text)| {
        let name = name.into_string().ok().filter(|name| name.starts_with("HOPSCOPE_"))?;
        Some((name, text.to_string_lossy().into_owned()))
    });
    let mut variables: Vec<_> = variables.collect();
    variables.sort();
    variables
}

/// Settings without a file: defaults, environment, options. For programs and tests that embed the
/// collector.
impl Args for Config {
    fn augment_args(command: Command) -> Command {
        Options::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Options::augment_args(command)
    }
}

impl FromArgMatches for Config {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let source = Source::new(None, Options::from_arg_matches(matches)?);
        let invalid = |error: Error| clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n"));
        source.load().map(|loaded| loaded.config).map_err(invalid)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
