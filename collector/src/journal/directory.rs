//! The folder that a collector keeps its state in. The only place of the journal that names files.
//!
//! In: bytes to keep, numbers of segments. Out: the same bytes at the next start. Always holds: one collector has the
//! folder at a time; a checkpoint is there whole or not at all, also after a power cut; a new file's name is on disk
//! before anything in it counts.
//!
//! ```text
//! lock                              held while a collector runs; the system lets go of it, however it ends
//! checkpoint                        the state of the rooms (`checkpoint.new` while it is written)
//! journal/00000000000000000007.log  segments, by number; the checkpoint says with which to go on
//! ```

use hopscope_core::engine::snapshot::Piece;
use hopscope_core::snapshot::segment;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

/// Why the folder cannot be used. The text fits "failed to open the journal: …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another collector has it.
    #[error("another collector uses {}; give each its own --data-dir", .0.display())]
    Taken(PathBuf),
    /// The system refused.
    #[error("failed to {act} {}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A folder that this collector has for itself.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    segments: PathBuf,
    _lock: File,
}

/// A segment that is written to. Its file has `length` bytes that count; what is behind them does not.
#[derive(Debug)]
pub(super) struct Segment {
    /// Its number.
    pub(super) number: u64,
    /// Bytes that count.
    pub(super) length: u64,
    path: PathBuf,
    file: File,
}

impl Folder {
    /// Makes the folder if need be, and takes it.
    ///
    /// # Errors
    ///
    /// When another collector has it, or the system refuses.
    pub(super) fn take(root: &Path) -> Result<Self, Error> {
        let segments = root.join("journal");
        fs::create_dir_all(&segments).map_err(failed("make", &segments))?;
        let path = root.join("lock");
        let options = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = options.map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Taken(root.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        sync(&segments).and_then(|()| sync(root)).map_err(failed("sync", root))?;
        Ok(Self { root: root.to_owned(), segments, _lock: lock })
    }

    /// Where the checkpoint is.
    #[must_use]
    pub(super) fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    /// Where a segment is.
    #[must_use]
    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.segments.join(format!("{number:020}.log"))
    }

    /// The checkpoint, if there is one.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(super) fn read_checkpoint(&self) -> Result<Option<Vec<u8>>, Error> {
        let path = self.checkpoint();
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Replaces the checkpoint; the old one is there until the new one is. How many bytes it has. `emptied`: as for [`write_all`].
    ///
    /// # Errors
    ///
    /// When the system refuses, or the pieces end before the last one; the old one then stays.
    pub(super) fn write_checkpoint(
        &self,
        pieces: impl Iterator<Item = Piece>,
        emptied: &Sender<Vec<u8>>,
    ) -> Result<u64, Error> {
        let path = self.root.join("checkpoint.new");
        let written = File::create(&path).and_then(|mut file| {
            let bytes = write_all(&mut file, pieces, emptied)?;
            file.sync_all()?;
            fs::rename(&path, self.checkpoint())?;
            sync(&self.root)?;
            Ok(bytes)
        });
        written.map_err(|error| {
            // What is left of it may hold the room that the journal needs.
            let _ = fs::remove_file(&path);
            failed("write", &path)(error)
        })
    }

    /// Numbers and sizes of all segments, rising.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(super) fn segments(&self) -> Result<Vec<(u64, u64)>, Error> {
        let list = || {
            let mut found = Vec::new();
            for entry in fs::read_dir(&self.segments)? {
                let entry = entry?;
                let name = entry.file_name();
                let number = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok());
                if let Some(number) = number {
                    found.push((number, entry.metadata()?.len()));
                }
            }
            found.sort_unstable();
            Ok(found)
        };
        list().map_err(failed("list", &self.segments))
    }

    /// The bytes of a segment.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(super) fn read_segment(&self, number: u64) -> Result<Vec<u8>, Error> {
        let path = self.segment(number);
        fs::read(&path).map_err(failed("read", &path))
    }

    /// Cuts a segment off.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(super) fn cut_segment(&self, number: u64, length: u64) -> Result<(), Error> {
        let path = self.segment(number);
        let file = OpenOptions::new().write(true).open(&path);
        let cut = file.and_then(|file| file.set_len(length).and_then(|()| file.sync_all()));
        cut.map_err(failed("cut", &path))
    }

    /// Begins a segment.
    ///
    /// # Errors
    ///
    /// When the system refuses; there is no such segment then.
    pub(super) fn begin_segment(&self, number: u64) -> Result<Segment, Error> {
        let path = self.segment(number);
        let begun = File::create(&path).and_then(|file| {
            file.write_all_at(&segment::head(), 0)?;
            file.sync_all()?;
            sync(&self.segments)?;
            Ok(Segment { number, length: segment::HEAD_BYTES as u64, path: path.clone(), file })
        });
        begun.map_err(|error| {
            let _ = fs::remove_file(&path);
            failed("begin", &path)(error)
        })
    }

    /// Removes a segment.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(super) fn remove_segment(&self, number: u64) -> Result<(), Error> {
        let path = self.segment(number);
        fs::remove_file(&path).map_err(failed("remove", &path))
    }
}

impl Segment {
    /// Writes `offset` bytes behind what counts. It counts, and is on disk, once [`Segment::sync`] succeeded.
    ///
    /// # Errors
    ///
    /// When the system refuses, such as on a full disk.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        let offset = self.length.saturating_add(offset);
        self.file.write_all_at(bytes, offset).map_err(failed("write", &self.path))
    }

    /// Puts on disk what was written.
    ///
    /// # Errors
    ///
    /// When the system refuses. What is on disk then is not known, and the segment is not to be written to any more.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(failed("sync", &self.path))
    }

    /// Removes what does not count.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(super) fn cut(&self) -> Result<(), Error> {
        self.file.set_len(self.length).map_err(failed("cut", &self.path))
    }
}

/// Writes pieces up to the last one: how many bytes. Their memory goes back, for more of them.
fn write_all(
    file: &mut File,
    pieces: impl Iterator<Item = Piece>,
    emptied: &Sender<Vec<u8>>,
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
        // Whoever makes pieces may have made all of them.
        let _ = emptied.send(bytes);
    }
    Err(io::Error::other("whoever made it did not come to the end"))
}

/// Puts the names in a folder on disk.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { act, path, source }
}
