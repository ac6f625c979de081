//! State as bytes: codec, checksummed frames, segments.

pub mod bytes;
pub mod codec;
pub mod frame;
pub mod segment;

/// Version of the frame around the sections.
pub(crate) const FORMAT: u32 = 2;

/// Why bytes are no state of this version. The text fits "failed to read the checkpoint: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// They do not begin as a checkpoint does.
    #[error("it does not begin like a checkpoint of hopscope")]
    Magic,
    /// Another version of the format.
    #[error("its format version is {found}, and this hopscope reads {FORMAT}")]
    Format {
        /// The version that was found.
        found: u32,
    },
    /// They changed since they were written, or are not all there.
    #[error("its checksum is wrong: it is damaged or incomplete")]
    Checksum,
    /// A room that this version does not have.
    #[error("it holds a section `{0}`, which this hopscope does not know")]
    Section(String),
    /// A room in another version.
    #[error("its section `{section}` has version {found}, and this hopscope reads {known}")]
    Version {
        /// Which section.
        section: &'static str,
        /// The version that was found.
        found: u64,
        /// The version that is known.
        known: u64,
    },
    /// A value that cannot be.
    #[error("byte {at} of its body: {what}")]
    Broken {
        /// Where.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
}
