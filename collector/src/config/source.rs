//! Where the settings of this process come from.
//!
//! In: the name of a file, the environment, the options. Out: settings, as often as asked. Always holds: a file is read
//! as a whole, and only up to [`FILE_BYTES_MAX`]; what the process was started with stays the same.

use super::Config;
use super::layers::{Layers, Loaded};
use super::options::Options;
use super::problem::Problem;
use std::fmt::Write;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file: a thousand times what a file with every setting takes.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why there are no settings. The text fits "failed to configure: …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What was given cannot be used.
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

    /// Only a file; `-` is standard input.
    #[must_use]
    pub fn of_file(file: PathBuf) -> Self {
        Self { file: Some(file), ..Self::default() }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads and checks everything.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or with all problems of all that was given.
    pub fn load(&self) -> Result<Loaded<Config>, Error> {
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
    let mut text = String::new();
    let size = if path == Path::new("-") {
        io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?
    } else {
        std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?
    };
    if size as u64 > FILE_BYTES_MAX {
        let message = format!("it is larger than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// The variables of Hopscope. What is not Unicode shows as such, and is refused where it is no fitting value.
pub(super) fn environment() -> Vec<(String, String)> {
    let variables = std::env::vars_os().filter_map(|(name, text)| {
        let name = name.into_string().ok().filter(|name| name.starts_with("HOPSCOPE_"))?;
        Some((name, text.to_string_lossy().into_owned()))
    });
    let mut variables: Vec<_> = variables.collect();
    variables.sort();
    variables
}
