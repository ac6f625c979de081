//! Unary calls: the gRPC framing of a report and of its acknowledgement.
//!
//! In: the body of a call, or an acknowledgement. Out: the bytes of the message, or the body of the
//! response. Invariant: a message in one piece is not copied; nothing of an oversized message is
//! stored.
//!
//! Source: gRPC over HTTP/2 (`PROTOCOL-HTTP2.md`). A message consists of one byte for compression,
//! four bytes for the length, and its content; the trailers hold the status of the call.

use hopscope_proto::v1::Ack;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame};
use prost::Message;
use prost::bytes::{BufMut, Bytes, BytesMut};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{self, HeaderMap, HeaderValue, header};

const HEAD_BYTES: usize = 5;

/// Whether the head of a call announces compressed messages.
pub(super) fn is_compressed(request: &http::Request<Body>) -> bool {
    request.headers().get("grpc-encoding").is_some_and(|encoding| encoding != "identity")
}

/// Reads the message of a call, to the end of the body.
///
/// # Errors
///
/// `OutOfRange` when the message is longer than `bytes_max`; else the error of the body or of the
/// framing.
pub(super) async fn read_message<B>(body: B, bytes_max: usize) -> Result<Bytes, Status>
where
    B: HttpBody<Data = Bytes, Error = Status> + Unpin,
{
    let mut body = body;
    let mut read = Partial { first: Bytes::new(), joined: BytesMut::new(), bytes_max };
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            read.add(data)?;
        }
    }
    read.end()
}

/// Part of a message that has arrived.
struct Partial {
    /// The part, while it is one piece.
    first: Bytes,
    /// Copy of all pieces, from the second piece on.
    joined: BytesMut,
    bytes_max: usize,
}

impl Partial {
    fn add(&mut self, data: Bytes) -> Result<(), Status> {
        if self.first.is_empty() && self.joined.is_empty() {
            self.first = data;
        } else {
            if self.joined.is_empty() {
                let expected = length(&self.first).unwrap_or(0).min(self.bytes_max);
                self.joined.reserve(HEAD_BYTES.saturating_add(expected));
                self.joined.put(std::mem::take(&mut self.first));
            }
            // A second message is ignored.
            let rest = length(&self.joined).map_or(usize::MAX, |length| {
                HEAD_BYTES.saturating_add(length).saturating_sub(self.joined.len())
            });
            self.joined.put(data.slice(..data.len().min(rest)));
        }
        let arrived = if self.joined.is_empty() { &self.first } else { &self.joined[..] };
        match arrived.first() {
            None | Some(0) => {}
            Some(1) => {
                return Err(Status::internal("the message is compressed without a grpc-encoding header"));
            }
            Some(_) => return Err(Status::internal("the message has no valid gRPC head")),
        }
        match length(arrived) {
            Some(length) if length > self.bytes_max => Err(Status::out_of_range("too long")),
            _ => Ok(()),
        }
    }

    fn end(self) -> Result<Bytes, Status> {
        let mut arrived = if self.joined.is_empty() { self.first } else { self.joined.freeze() };
        if arrived.is_empty() {
            return Err(Status::internal("the message is missing"));
        }
        let end = length(&arrived).and_then(|length| length.checked_add(HEAD_BYTES));
        match end.filter(|end| *end <= arrived.len()) {
            Some(end) => {
                arrived.truncate(end);
                Ok(arrived.split_off(HEAD_BYTES))
            }
            None => Err(Status::internal("the message ends too early")),
        }
    }
}

/// Length of the message, once its head has arrived.
fn length(arrived: &[u8]) -> Option<usize> {
    let length = arrived.get(1..HEAD_BYTES)?.first_chunk().copied().map(u32::from_be_bytes)?;
    usize::try_from(length).ok()
}

/// Response with an acknowledgement.
pub(super) fn response(ack: &Ack) -> http::Response<Body> {
    let length = ack.encoded_len();
    let mut data = BytesMut::with_capacity(HEAD_BYTES.saturating_add(length));
    data.put_u8(0);
    data.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // The capacity is sufficient.
    let _ = ack.encode(&mut data);
    let mut response = http::Response::new(Body::new(ResponseBody::Message(data.freeze())));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response
}

/// Body of a response: a message, then the status.
enum ResponseBody {
    Message(Bytes),
    Status,
    End,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(match std::mem::replace(&mut *self, Self::End) {
            Self::Message(data) => {
                *self = Self::Status;
                Some(Ok(Frame::data(data)))
            }
            Self::Status => {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                Some(Ok(Frame::trailers(trailers)))
            }
            Self::End => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::End)
    }
}

#[cfg(test)]
mod tests {
    use super::read_message;
    use http_body_util::{BodyExt, StreamBody};
    use hyper::body::Frame;
    use prost::bytes::Bytes;
    use tonic::Status;

    /// Reads a body of these pieces and compares the message or the error.
    #[track_caller]
    fn check(pieces: &[&'static [u8]], expected: Result<&[u8], &str>) {
        let frames: Vec<Result<Frame<Bytes>, Status>> =
            pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))).collect();
        let body = StreamBody::new(tokio_stream::iter(frames)).boxed();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(read_message(body, 5));
        let read = read.as_deref().map_err(Status::message);
        assert_eq!(read, expected);
    }

    #[test]
    fn a_message_can_arrive_in_any_pieces() {
        check(&[b"\0\0\0\0\x03abc"], Ok(b"abc"));
        check(&[b"\0\0\0\0\x00"], Ok(b""));
        check(&[b"\0\0", b"", b"\0\0\x05a", b"bc", b"de"], Ok(b"abcde"));
        check(&[b"\0", b"\0", b"\0", b"\0", b"\x01", b"a"], Ok(b"a"));
        // Bytes after the message are ignored.
        check(&[b"\0\0\0\0\x01a", b"\0\0\0\0\x01b"], Ok(b"a"));
        check(&[b"\0\0\0\0\x01ab", b"c"], Ok(b"a"));
    }

    #[test]
    fn invalid_framing_is_rejected() {
        check(&[], Err("the message is missing"));
        check(&[b"\0\0\0"], Err("the message ends too early"));
        check(&[b"\0\0\0\0\x05abc"], Err("the message ends too early"));
        check(&[b"\0\0\0\0\x06"], Err("too long"));
        check(&[b"\0\xff", b"\xff\xff\xff"], Err("too long"));
        check(&[b"\x01\0\0\0\x01a"], Err("the message is compressed without a grpc-encoding header"));
        check(&[b"POST / HTTP/1.1"], Err("the message has no valid gRPC head"));
    }
}
