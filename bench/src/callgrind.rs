//! Instructions of a process, counted by valgrind's callgrind.
//!
//! In: a process that was started with [`command`]. Out: instructions between two moments.
//! Invariant: instructions of the kernel do not count. The counts do not depend on the speed of the
//! machine, nor on other load.

use anyhow::{Context, bail};
use hopscope_mesh::eventually::eventually;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest wait for a profile. Writing one takes a second on an idle machine, and minutes where
/// other processes have work.
const DUMPED_WITHIN: Duration = Duration::from_secs(600);

/// Counter of a running process.
#[derive(Debug)]
pub(crate) struct Callgrind {
    process: u32,
    profiles: PathBuf,
    dumps: u32,
}

/// Fails with an instruction to install valgrind where it is missing.
pub(crate) fn available() -> anyhow::Result<()> {
    for tool in ["valgrind", "callgrind_control"] {
        let found = Command::new(tool).arg("--version").stdin(Stdio::null()).output();
        found.with_context(|| {
            format!(
                "failed to run {tool}; install valgrind (`apt-get install valgrind`, `dnf install valgrind`)"
            )
        })?;
    }
    Ok(())
}

/// Command to which the program and its arguments are to be added. `profiles`: path of the
/// profiles, to which callgrind appends their numbers.
pub(crate) fn command(profiles: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]);
    command.arg(format!("--callgrind-out-file={}", profiles.display()));
    command
}

impl Callgrind {
    /// Counter of the process that was started with [`command`] and these profiles.
    pub(crate) fn of(process: u32, profiles: &Path) -> Self {
        Self { process, profiles: profiles.to_owned(), dumps: 0 }
    }

    /// Begins to count.
    ///
    /// # Errors
    ///
    /// When the process does not run under callgrind.
    pub(crate) fn reset(&self) -> anyhow::Result<()> {
        self.control("--zero")
    }

    /// Instructions since the last [`Callgrind::reset`].
    ///
    /// # Errors
    ///
    /// When the process has ended, or its profile is not complete within ten minutes.
    pub(crate) async fn total(&mut self) -> anyhow::Result<u64> {
        self.control("--dump")?;
        self.dumps += 1;
        let mut path = self.profiles.clone().into_os_string();
        path.push(format!(".{}", self.dumps));
        let path = PathBuf::from(path);
        let total = eventually("a profile", DUMPED_WITHIN, async || total_in(&path)).await?;
        std::fs::remove_file(&path)?;
        Ok(total)
    }

    fn control(&self, option: &str) -> anyhow::Result<()> {
        let mut command = Command::new("callgrind_control");
        let command = command.arg(option).arg(self.process.to_string()).stdin(Stdio::null());
        let output = command.output().context("failed to run callgrind_control")?;
        if !output.status.success() {
            bail!("callgrind_control {option}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

/// Total count of a profile; none while the profile is incomplete.
fn total_in(path: &Path) -> Option<u64> {
    let text = String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned();
    let total = text.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    total.split_whitespace().next()?.parse().ok()
}
