//! Raw codec: messages of a stream as bytes.
//!
//! Intake decodes the bytes, so that an invalid message gets the status of the contract and is
//! counted. The decoder of tonic would answer with a status of its own.

use prost::bytes::{Buf, Bytes};
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder};

/// Decoder that returns the bytes of a message.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RawDecoder;

impl Decoder for RawDecoder {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = source.remaining();
        Ok(Some(source.copy_to_bytes(length)))
    }
}
