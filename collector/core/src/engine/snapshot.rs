//! Snapshot of the engine: the state that a journal of bounded size cannot rebuild.
//!
//! In: an engine and the number of the first journal segment that it does not contain; or a
//! snapshot. Out: the other of the two. Invariant: a restored state equals the one that was
//! written, except for the limits, which are those of the restored engine; a snapshot that this
//! version cannot read is rejected with a reason, never read in part; no bytes cause a panic.
//!
//! Layout, little-endian: `HOPC`, format version (u32), body, CRC-32 of all before (u32). The body
//! is the segment number, then one section per stage: name, version of the section, content, and
//! the offset of the next byte of the body. A new stage is a new section, and a snapshot without it
//! leaves that stage empty; a stage whose content changes raises the version of its section.
//!
//! The bytes are passed on piece by piece. The first ones of a large mesh are written to disk while
//! the rest is encoded, and no buffer holds all of them: allocating new memory costs more than
//! filling it.

use crate::engine::Engine;
use crate::engine::stages::stages;
pub use crate::snapshot::bytes::{PIECE_BYTES, Piece, Sink};
use crate::snapshot::bytes::{Reader, Writer};
use crate::snapshot::codec::{SnapshotState, SnapshotValue};
use crate::snapshot::{FORMAT, Unreadable};

const MAGIC: [u8; 4] = *b"HOPC";

/// Section of one stage.
struct Section {
    name: &'static str,
    /// Version of the content.
    version: u64,
    save: fn(&Engine, &mut Writer),
    restore: fn(&mut Engine, &mut Reader<'_>) -> Result<(), Unreadable>,
}

macro_rules! sections {
    ($(
        $(#[$doc:meta])+
        $reach:tt $name:ident: $stage:ty, settings $settings:tt, snapshot $snapshot:tt, metrics $metrics:tt;
    )*) => {
        /// Sections of each stage, one or none, in the order of the list.
        const SECTIONS: &[&[Section]] = &[$(sections!(@row $name $snapshot)),*];
    };
    (@row $name:ident (none: $reason:literal)) => { &[] };
    (@row $name:ident ($version:literal)) => {
        &[Section {
            name: stringify!($name),
            version: $version,
            save: |engine, to| engine.$name.save(to),
            restore: |engine, from| engine.$name.restore(from),
        }]
    };
}

stages!(sections);

/// All sections, in the order in which they are written.
fn sections() -> impl Iterator<Item = &'static Section> {
    SECTIONS.iter().copied().flatten()
}

/// Writes the state of an engine that contains all of the journal before segment `resume`. The
/// engine accepts no batch meanwhile; copying the state first, to write it later, would take
/// longer.
pub fn write(engine: &Engine, resume: u64, sink: Sink) {
    write_sections(engine, resume, Writer::after(&head(), sink));
}

/// Returns the state in one piece, in canonical order: equal states give equal bytes. Sorts every
/// hash table, so it is slower than [`write()`].
#[must_use]
pub fn encode(engine: &Engine, resume: u64) -> Vec<u8> {
    crate::snapshot::bytes::collected(|sink| {
        write_sections(engine, resume, Writer::after(&head(), sink).canonical());
    })
}

fn head() -> Vec<u8> {
    [MAGIC, FORMAT.to_le_bytes()].concat()
}

fn write_sections(engine: &Engine, resume: u64, mut to: Writer) {
    resume.save(&mut to);
    for Section { name, version, save, .. } in sections() {
        to.text(name);
        version.save(&mut to);
        save(engine, &mut to);
        to.mark_offset();
    }
    to.end();
}

/// Restores the state of a new engine. Returns the number of the journal segment to continue with.
///
/// # Errors
///
/// [`Unreadable`]; the engine is then incomplete and must not be used.
pub fn decode(file: &[u8], engine: &mut Engine) -> Result<u64, Unreadable> {
    let rest = file.strip_prefix(&MAGIC).ok_or(Unreadable::Magic)?;
    let (version, rest) = rest.split_first_chunk().ok_or(Unreadable::Checksum)?;
    let found = u32::from_le_bytes(*version);
    if found != FORMAT {
        return Err(Unreadable::Format { found });
    }
    let (body, checksum) = rest.split_last_chunk::<4>().ok_or(Unreadable::Checksum)?;
    let summed = file.get(..file.len() - checksum.len()).unwrap_or_default();
    if crc32fast::hash(summed) != u32::from_le_bytes(*checksum) {
        return Err(Unreadable::Checksum);
    }
    let mut body = Reader::new(body);
    let resume = u64::load(&mut body)?;
    while !body.is_empty() {
        let name = body.text()?;
        let found = u64::load(&mut body)?;
        let Some(section) = sections().find(|section| *section.name == *name) else {
            return Err(Unreadable::Section(name.to_string()));
        };
        if found != section.version {
            return Err(Unreadable::Version { section: section.name, found, known: section.version });
        }
        (section.restore)(engine, &mut body)?;
        body.check_offset()?;
    }
    engine.address_book.rebuild();
    let Engine { edges, aggregate, connections, streams, .. } = engine;
    aggregate.restore_budget(edges);
    connections.restore_budget(edges);
    streams.restore_budget(edges);
    Ok(resume)
}

#[cfg(test)]
mod tests;
