//! The layer of an image: a compressed tar archive.
//!
//! Invariant: the bytes depend on the input only; the time is 0, and no file has an owner.

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use std::io::Write;

/// Returns an archive of one file.
pub(super) fn tar(name: &str, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, name, bytes)?;
    Ok(archive.into_inner()?)
}

/// Compresses bytes with the compressor that the lock file pins.
pub(super) fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder: GzEncoder<Vec<u8>> = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::{gzip, tar};

    #[test]
    fn the_same_bytes_come_out() {
        let archive = tar("plugin.wasm", b"\0asm").unwrap();
        assert_eq!(archive.get(..11), Some(&b"plugin.wasm"[..]));
        assert_eq!(archive.len() % 512, 0);
        assert_eq!(gzip(&archive).unwrap(), gzip(&archive).unwrap());
        // The time in the header.
        assert_eq!(gzip(&archive).unwrap().get(4..8), Some(&[0; 4][..]));
    }
}
