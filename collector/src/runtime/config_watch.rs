//! Watch of the configuration file.
//!
//! In: SIGHUP, and changes of the file. Out: settings in force, or one log line per problem.
//! Invariant: invalid settings change nothing. A changed file is loaded once it is unchanged for
//! one poll, so that a half-written file is not read.
//!
//! The file is polled each second: a poll follows every symbolic link of the path, so it sees the
//! swap by which Kubernetes changes a mounted `ConfigMap`; it works on every file system, and
//! costs one system call.

use crate::config::problem::{Origin, Problem};
use crate::config::source::{Error, Source};
use crate::runtime::server::Live;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;

/// Interval of the polls.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Identity of one state of a file: device, inode, size, and the times of the last change of the
/// content and of the inode in seconds and nanoseconds. `None`: the file cannot be read.
type Stamp = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// Detects changes of a source.
#[derive(Debug)]
pub struct Watch {
    source: Source,
    poll: Poll,
}

impl Watch {
    /// Starts to watch. The source is loaded afterwards, so that no change in between is missed.
    #[must_use]
    pub fn new(source: Source) -> Self {
        let poll = Poll::new(source.file().and_then(stat));
        Self { source, poll }
    }

    /// Watched source.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Reloads until the future is dropped.
    pub async fn run(mut self, live: Live, mut hangup: Signal) {
        let mut polls = tokio::time::interval(POLL_INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                received = hangup.recv() => {
                    if received.is_none() {
                        return;
                    }
                    self.poll = Poll::new(stamp(&self.source).await);
                    reload(&self.source, &live, "SIGHUP").await;
                }
                _ = polls.tick() => {
                    if self.poll.changed(stamp(&self.source).await) {
                        reload(&self.source, &live, "the file changed").await;
                    }
                }
            }
        }
    }
}

/// Last polls of a file.
#[derive(Debug)]
struct Poll {
    /// State of the loaded file.
    loaded: Stamp,
    /// State at the last poll.
    last: Stamp,
}

impl Poll {
    fn new(loaded: Stamp) -> Self {
        Self { loaded, last: loaded }
    }

    /// Whether the file differs from the loaded one, and is unchanged since the last poll.
    fn changed(&mut self, now: Stamp) -> bool {
        let changed = now != self.loaded && now == self.last;
        self.last = now;
        if changed {
            self.loaded = now;
        }
        changed
    }
}

async fn stamp(source: &Source) -> Stamp {
    let path = source.file()?.to_owned();
    let stat = tokio::task::spawn_blocking(move || stat(&path));
    stat.await.ok().flatten()
}

fn stat(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    let changed = (file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec());
    Some((file.dev(), file.ino(), file.size(), changed.0, changed.1, changed.2, changed.3))
}

async fn reload(source: &Source, live: &Live, reason: &str) {
    let reader = source.clone();
    let Ok(loaded) = tokio::task::spawn_blocking(move || reader.reload()).await else { return };
    match loaded {
        Ok(loaded) => {
            warn(&loaded.warnings);
            let applied = live.apply(loaded.config);
            for setting in &applied.restart {
                tracing::warn!(
                    setting = setting.path(),
                    "changed, but needs a restart; the old value stays in force"
                );
            }
            if applied.changed.is_empty() {
                tracing::info!(reason, "reloaded: no changes");
            } else {
                let changed: Vec<String> = applied.changed.iter().map(|setting| setting.path()).collect();
                tracing::info!(reason, changed = changed.join(", "), "reloaded");
            }
        }
        Err(error) => {
            live.reject();
            log_rejection(&error);
        }
    }
}

fn log_rejection(error: &Error) {
    const MESSAGE: &str = "failed to reload; the old settings stay in force";
    match error {
        Error::Invalid(problems) => {
            for problem in problems {
                tracing::error!(%problem, "{MESSAGE}");
            }
        }
        Error::Read { source, .. } => tracing::error!(problem = %format!("{error}: {source}"), "{MESSAGE}"),
    }
}

/// Logs settings that are valid and probably a mistake.
pub fn warn(warnings: &[Problem]) {
    for warning in warnings {
        match &warning.origin {
            Origin::Variable(_) => tracing::warn!("{warning}"),
            origin => tracing::warn!(%origin, "{warning}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Poll, Stamp};

    /// Polls states of a file, by inode (0: absent), and compares the polls that load the file.
    #[track_caller]
    fn check(polls: &[u64], expected: &[bool]) {
        let stamp = |inode: u64| -> Stamp { (inode > 0).then_some((1, inode, 0, 0, 0, 0, 0)) };
        let mut poll = Poll::new(stamp(1));
        let loaded: Vec<bool> = polls.iter().map(|inode| poll.changed(stamp(*inode))).collect();
        assert_eq!(loaded, expected, "{polls:?}");
    }

    #[test]
    fn a_changed_file_is_loaded_once_it_is_stable() {
        check(&[1, 1, 1], &[false, false, false]);
        check(&[1, 2, 2, 2], &[false, false, true, false]);
        check(&[2, 3, 4, 4], &[false, false, false, true]);
        check(&[2, 1, 1], &[false, false, false]);
        check(&[0, 2, 2], &[false, false, true]);
        check(&[0, 0, 0, 1, 1], &[false, true, false, false, true]);
    }
}
