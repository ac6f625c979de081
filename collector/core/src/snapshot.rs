//! Snapshot and journal formats: codec, checksummed frames, segments.

pub mod bytes;
pub mod codec;
pub mod frame;
pub(crate) mod interned;
pub mod segment;
pub mod times;

/// Format version of the envelope around the sections.
pub(crate) const FORMAT: u32 = 2;

/// Error of reading a snapshot. The text completes "failed to read the snapshot: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Missing magic bytes.
    #[error("the file does not begin like a hopscope snapshot")]
    Magic,
    /// Unsupported format version.
    #[error("format version {found} is not supported; this hopscope reads version {FORMAT}")]
    Format {
        /// Format version of the snapshot.
        found: u32,
    },
    /// Wrong checksum: the bytes were changed after writing, or some are missing.
    #[error("the checksum is wrong: the snapshot is damaged or incomplete")]
    Checksum,
    /// Section of an unknown stage.
    #[error("section `{0}` is unknown to this hopscope")]
    Section(String),
    /// Unsupported section version.
    #[error("section `{section}` has version {found}; this hopscope reads version {known}")]
    Version {
        /// Name of the section.
        section: &'static str,
        /// Version in the snapshot.
        found: u64,
        /// Supported version.
        known: u64,
    },
    /// Invalid value.
    #[error("byte {at} of the body: {what}")]
    Broken {
        /// Byte offset in the body.
        at: usize,
        /// Description of the problem.
        what: &'static str,
    },
}
