//! Messages as bytes.
//!
//! In: a framed gRPC message. Out: its bytes, undecoded. Always holds: what is in them is judged by the door, so that a
//! message that is no batch gets the contract's status and is counted, which the library's own decoder would not do.

use hopscope_proto::v1::Ack;
use prost::Message;
use prost::bytes::{Buf, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Bytes in, acknowledgements out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RawCodec;

impl Codec for RawCodec {
    type Encode = Ack;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = source.remaining();
        Ok(Some(source.copy_to_bytes(length)))
    }
}

impl Encoder for RawCodec {
    type Item = Ack;
    type Error = Status;

    fn encode(&mut self, ack: Ack, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        ack.encode(target).map_err(|e| Status::internal(format!("failed to encode the acknowledgement: {e}")))
    }
}
