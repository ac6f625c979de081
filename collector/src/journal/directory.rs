//! Directory of the state. The only place of the journal that names files.
//!
//! In: bytes, numbers of segments. Out: the same bytes at the next start. Invariant: one collector
//! at a time holds the directory; a snapshot is complete or absent, also after a power cut; the
//! name of a new file is on disk before its content counts. Files with other names are ignored.
//!
//! The directory itself is locked as well as the file `lock`, so that the removal of the file lets
//! no second collector in.
//!
//! ```text
//! lock                              locked by a running collector; the system releases it at the end
//! snapshot                          state of the engine (`snapshot.new` while it is written)
//! journal/00000000000000000007.log  segments by number; the snapshot names the first one to replay
//! ```

use hopscope_core::engine::snapshot::Piece;
use hopscope_core::snapshot::segment;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Problem of a directory that is no longer at its path.
pub(super) const REMOVED: &str = "removed";

/// Digits of the number of a segment in its file name.
const NUMBER_DIGITS: usize = 20;

/// Error of the directory. The text fits "failed to open the journal: …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another collector holds it.
    #[error("another collector uses {}; give each its own --data-dir", .0.display())]
    InUse(PathBuf),
    /// The directory is no longer the one that was locked.
    #[error(
        "{} was {problem} while the collector ran; the state is in memory only until it is written again", path.display()
    )]
    Detached {
        /// Directory.
        path: PathBuf,
        /// Change of the directory.
        problem: &'static str,
    },
    /// The directory was created again, and its first snapshot is not complete.
    #[error("the data directory was created again and has no snapshot yet")]
    AwaitsSnapshot,
    /// A system call failed.
    #[error("failed to {operation} {}", path.display())]
    Io {
        /// Failed operation.
        operation: &'static str,
        /// File or directory.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
}

/// Locked directory.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    segments: PathBuf,
    held: Mutex<Held>,
}

/// Locks, and the identity of the directories when they were locked.
#[derive(Debug)]
struct Held {
    identity: [Option<(u64, u64)>; 2],
    _locks: [File; 2],
}

/// Space of the file system of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Space {
    /// Free bytes for this process.
    pub(super) free_bytes: u64,
    /// Size of the file system, bytes.
    pub(super) total_bytes: u64,
}

/// Segment that is being written. Its first `length` bytes are valid; bytes behind them are
/// ignored.
#[derive(Debug)]
pub(super) struct Segment {
    /// Number of the segment.
    pub(super) number: u64,
    /// Valid bytes.
    pub(super) length: u64,
    path: PathBuf,
    file: File,
}

impl Directory {
    /// Creates the directory if it is absent, and locks it.
    ///
    /// # Errors
    ///
    /// When another collector holds it, or a system call fails.
    pub(super) fn lock(root: &Path) -> Result<Self, Error> {
        let segments = root.join("journal");
        let held = Mutex::new(hold(root, &segments)?);
        Ok(Self { root: root.to_owned(), segments, held })
    }

    /// Checks that the locked directory is still at its path.
    ///
    /// # Errors
    ///
    /// [`Error::Detached`].
    pub(super) fn check(&self) -> Result<(), Error> {
        let now = [&self.root, &self.segments].map(|path| identity(path));
        let problem = match now {
            now if now == self.held().identity => return Ok(()),
            [Some(_), Some(_)] => "replaced",
            _ => REMOVED,
        };
        Err(Error::Detached { path: self.root.clone(), problem })
    }

    /// Creates and locks a removed directory again.
    ///
    /// # Errors
    ///
    /// As [`Self::lock`].
    pub(super) fn create_again(&self) -> Result<(), Error> {
        let again = hold(&self.root, &self.segments)?;
        *self.held() = again;
        Ok(())
    }

    /// Space of the file system; `None` when the system call fails.
    pub(super) fn space(&self) -> Option<Space> {
        let found = rustix::fs::statvfs(&self.segments).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Space { free_bytes: bytes(found.f_bavail), total_bytes: bytes(found.f_blocks) })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Path of the snapshot.
    #[must_use]
    pub(super) fn snapshot(&self) -> PathBuf {
        self.root.join("snapshot")
    }

    /// Path of a segment.
    #[must_use]
    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.segments.join(format!("{number:0NUMBER_DIGITS$}.log"))
    }

    /// Reads the snapshot, if there is one.
    ///
    /// # Errors
    ///
    /// When a system call fails.
    pub(super) fn read_snapshot(&self) -> Result<Option<Vec<u8>>, Error> {
        let path = self.snapshot();
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Replaces the snapshot atomically, and returns its bytes. `returned`: as for [`write_all`].
    ///
    /// # Errors
    ///
    /// When a system call fails, or the pieces end before the last one; the old snapshot stays.
    pub(super) fn write_snapshot(
        &self,
        pieces: impl Iterator<Item = Piece>,
        returned: &Sender<Vec<u8>>,
    ) -> Result<u64, Error> {
        let path = self.root.join("snapshot.new");
        let written = File::create(&path).and_then(|mut file| {
            let bytes = write_all(&mut file, pieces, returned)?;
            file.sync_all()?;
            fs::rename(&path, self.snapshot())?;
            sync(&self.root)?;
            Ok(bytes)
        });
        written.map_err(|error| {
            // The incomplete file may use the space that the journal needs.
            let _ = fs::remove_file(&path);
            failed("write", &path)(error)
        })
    }

    /// Numbers and sizes of all segments, in ascending order.
    ///
    /// # Errors
    ///
    /// When a system call fails.
    pub(super) fn segments(&self) -> Result<Vec<(u64, u64)>, Error> {
        let list = || {
            let mut found = Vec::new();
            for entry in fs::read_dir(&self.segments)? {
                let entry = entry?;
                let name = entry.file_name();
                match name.to_str().and_then(number_of) {
                    Some(number) => found.push((number, entry.metadata()?.len())),
                    None => {
                        tracing::warn!("{} is no segment of the journal; ignored", entry.path().display());
                    }
                }
            }
            found.sort_unstable();
            Ok(found)
        };
        list().map_err(failed("list", &self.segments))
    }

    /// Reads a segment.
    ///
    /// # Errors
    ///
    /// When a system call fails.
    pub(super) fn read_segment(&self, number: u64) -> Result<Vec<u8>, Error> {
        let path = self.segment(number);
        fs::read(&path).map_err(failed("read", &path))
    }

    /// Truncates a segment.
    ///
    /// # Errors
    ///
    /// When a system call fails.
    pub(super) fn cut_segment(&self, number: u64, length: u64) -> Result<(), Error> {
        let path = self.segment(number);
        let file = OpenOptions::new().write(true).open(&path);
        let cut = file.and_then(|file| file.set_len(length).and_then(|()| file.sync_all()));
        cut.map_err(failed("cut", &path))
    }

    /// Creates a segment.
    ///
    /// # Errors
    ///
    /// When a system call fails; the segment does not exist then.
    pub(super) fn create_segment(&self, number: u64) -> Result<Segment, Error> {
        let path = self.segment(number);
        let created = File::create(&path).and_then(|file| {
            file.write_all_at(&segment::head(), 0)?;
            file.sync_all()?;
            sync(&self.segments)?;
            Ok(Segment { number, length: segment::HEAD_BYTES as u64, path: path.clone(), file })
        });
        created.map_err(|error| {
            let _ = fs::remove_file(&path);
            failed("create", &path)(error)
        })
    }

    /// Removes a segment.
    ///
    /// # Errors
    ///
    /// When a system call fails.
    pub(super) fn remove_segment(&self, number: u64) -> Result<(), Error> {
        let path = self.segment(number);
        fs::remove_file(&path).map_err(failed("remove", &path))
    }
}

impl Segment {
    /// Writes bytes `offset` bytes behind the valid ones. They are on disk after [`Segment::sync`].
    ///
    /// # Errors
    ///
    /// When a system call fails, such as on a full disk.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        let offset = self.length.saturating_add(offset);
        self.file.write_all_at(bytes, offset).map_err(failed("write", &self.path))
    }

    /// Syncs the segment.
    ///
    /// # Errors
    ///
    /// When the system call fails. The content on disk is unknown then, and nothing more may be
    /// written to the segment.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(failed("sync", &self.path))
    }

    /// Removes the bytes behind the valid ones.
    ///
    /// # Errors
    ///
    /// When a system call fails.
    pub(super) fn cut(&self) -> Result<(), Error> {
        self.file.set_len(self.length).map_err(failed("cut", &self.path))
    }
}

/// Writes pieces up to the last one, and returns their bytes. `returned`: receives the memory of
/// written pieces.
fn write_all(
    file: &mut File,
    pieces: impl Iterator<Item = Piece>,
    returned: &Sender<Vec<u8>>,
) -> io::Result<u64> {
    let mut written = 0_u64;
    for piece in pieces {
        let (mut bytes, is_last) = match piece {
            Piece::More(bytes) => (bytes, false),
            Piece::Last(bytes) => (bytes, true),
        };
        file.write_all(&bytes)?;
        written = written.saturating_add(bytes.len() as u64);
        if is_last {
            return Ok(written);
        }
        bytes.clear();
        // The sender of the pieces may be gone.
        let _ = returned.send(bytes);
    }
    Err(io::Error::other("the snapshot ended before its last piece"))
}

/// Number of a segment with this file name.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == NUMBER_DIGITS)?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Creates the directories and locks them.
fn hold(root: &Path, segments: &Path) -> Result<Held, Error> {
    fs::create_dir_all(segments).map_err(failed("create", segments))?;
    let path = root.join("lock");
    let options = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = options.map_err(failed("open", &path))?;
    let directory = File::open(root).map_err(failed("open", root))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::InUse(root.to_owned())),
        Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
    }
    // Some network file systems lock no directories; the file is locked there.
    if let Err(TryLockError::WouldBlock) = directory.try_lock() {
        return Err(Error::InUse(root.to_owned()));
    }
    sync(segments).and_then(|()| sync(root)).map_err(failed("sync", root))?;
    Ok(Held { identity: [identity(root), identity(segments)], _locks: [file, directory] })
}

/// Device and inode of a directory.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Syncs the names in a directory.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { operation, path, source }
}
