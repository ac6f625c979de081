//! Settings that change while the collector runs.
//!
//! In: SIGHUP, and a file that has changed. Out: settings in force, or one line in the log per problem. Always holds: bad
//! settings change nothing; a change of a file counts once it has stood still for one look, so that half a file is not
//! taken for a whole one.
//!
//! The file is looked at each second, not watched: a look follows every symbolic link on the way, so that the swap by
//! which Kubernetes changes a mounted `ConfigMap` is a change like any other; it works on every file system, and costs one
//! system call.

use crate::config::problem::{Origin, Problem};
use crate::config::source::{Error, Source};
use crate::runtime::server::Live;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;

/// Between two looks at the file.
const LOOK: Duration = Duration::from_secs(1);

/// What tells one state of a file from another: device, inode, size, and the times of the last change of the content
/// and of the inode in seconds and nanoseconds. `None`: it cannot be seen.
type Stamp = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// Sees changes of a source.
#[derive(Debug)]
pub struct Watch {
    source: Source,
    look: Look,
}

impl Watch {
    /// Begins to watch. The source is to be loaded after that, so that no change falls between.
    #[must_use]
    pub fn new(source: Source) -> Self {
        let look = Look::new(source.file().and_then(stat));
        Self { source, look }
    }

    /// What is watched.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Reloads until it is dropped.
    pub async fn run(mut self, live: Live, mut hangup: Signal) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                received = hangup.recv() => {
                    if received.is_none() {
                        return;
                    }
                    self.look = Look::new(stamp(&self.source).await);
                    reload(&self.source, &live, "SIGHUP").await;
                }
                _ = looks.tick() => {
                    if self.look.changed(stamp(&self.source).await) {
                        reload(&self.source, &live, "the file changed").await;
                    }
                }
            }
        }
    }
}

/// The last looks at a file.
#[derive(Debug)]
struct Look {
    /// When it was loaded.
    loaded: Stamp,
    /// At the last look.
    last: Stamp,
}

impl Look {
    fn new(loaded: Stamp) -> Self {
        Self { loaded, last: loaded }
    }

    /// Whether the file is another one than was loaded, and still the one of the last look.
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
    let it = std::fs::metadata(path).ok()?;
    Some((it.dev(), it.ino(), it.size(), it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()))
}

async fn reload(source: &Source, live: &Live, why: &str) {
    let reader = source.clone();
    let Ok(loaded) = tokio::task::spawn_blocking(move || reader.load()).await else { return };
    match loaded {
        Ok(loaded) => {
            warn(&loaded.warnings);
            let applied = live.apply(loaded.config);
            for setting in &applied.restart {
                tracing::warn!(
                    setting = setting.path(),
                    "changed, but takes a restart; the old value stays in force"
                );
            }
            if applied.changed.is_empty() {
                tracing::info!(why, "reloaded: nothing to change");
            } else {
                let changed: Vec<String> = applied.changed.iter().map(|setting| setting.path()).collect();
                tracing::info!(why, changed = changed.join(", "), "reloaded");
            }
        }
        Err(error) => {
            live.refuse();
            refused(&error);
        }
    }
}

fn refused(error: &Error) {
    const STAYS: &str = "failed to reload; the old settings stay in force";
    match error {
        Error::Invalid(problems) => {
            for problem in problems {
                tracing::error!(%problem, "{STAYS}");
            }
        }
        Error::Read { source, .. } => tracing::error!(problem = %format!("{error}: {source}"), "{STAYS}"),
    }
}

/// Tells the log what is no error and yet probably not what was meant.
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
    use super::{Look, Stamp};

    /// EngineReader at states of a file, by inode (0: not there), and says at which it is loaded.
    #[track_caller]
    fn check(looks: &[u64], expected: &[bool]) {
        let stamp = |inode: u64| -> Stamp { (inode > 0).then_some((1, inode, 0, 0, 0, 0, 0)) };
        let mut look = Look::new(stamp(1));
        let loaded: Vec<bool> = looks.iter().map(|inode| look.changed(stamp(*inode))).collect();
        assert_eq!(loaded, expected, "{looks:?}");
    }

    #[test]
    fn a_change_counts_once_it_stands_still() {
        check(&[1, 1, 1], &[false, false, false]);
        check(&[1, 2, 2, 2], &[false, false, true, false]);
        check(&[2, 3, 4, 4], &[false, false, false, true]);
        check(&[2, 1, 1], &[false, false, false]);
        check(&[0, 2, 2], &[false, false, true]);
        check(&[0, 0, 0, 1, 1], &[false, true, false, false, true]);
    }
}
