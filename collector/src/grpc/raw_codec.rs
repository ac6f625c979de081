//! Messages as bytes.
//!
//! In: a framed gRPC message of a stream. Out: its bytes, undecoded. Always holds: what is in them is judged by the door, so
//! that a message that is none gets the contract's status and is counted, which the library's own decoder would not do.

use prost::bytes::{Buf, Bytes};
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder};

/// Bytes in, bytes out.
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
