//! One message in, one message out: what gRPC puts around a report and its acknowledgement.
//!
//! In: the body of a call. Out: the bytes of its message; or an acknowledgement as the body of a response. Always holds: a
//! message that came in one piece is not copied; nothing is kept of a message that is longer than it may be.
//!
//! Source: gRPC over HTTP/2 (`PROTOCOL-HTTP2.md`): a message is one byte that says whether it is compressed, its length in
//! four, and its bytes; the status of a call stands in the trailers.

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

/// Whether the messages of a call are said to be compressed.
pub(super) fn is_compressed(request: &http::Request<Body>) -> bool {
    request.headers().get("grpc-encoding").is_some_and(|encoding| encoding != "identity")
}

/// Reads the one message of a call, to the end of its body.
///
/// # Errors
///
/// What is wrong with it: `OutOfRange` when it is longer than it may be; what the body itself gives, else.
pub(super) async fn message<B>(body: B, bytes_max: usize) -> Result<Bytes, Status>
where
    B: HttpBody<Data = Bytes, Error = Status> + Unpin,
{
    let mut body = body;
    let mut read = Reading { parts: Bytes::new(), more: BytesMut::new(), bytes_max };
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            read.add(data)?;
        }
    }
    read.end()
}

/// What has come of a message.
struct Reading {
    /// All of it, as long as it came in one piece.
    parts: Bytes,
    more: BytesMut,
    bytes_max: usize,
}

impl Reading {
    fn add(&mut self, data: Bytes) -> Result<(), Status> {
        if self.parts.is_empty() && self.more.is_empty() {
            self.parts = data;
        } else {
            if self.more.is_empty() {
                let expected = length(&self.parts).unwrap_or(0).min(self.bytes_max);
                self.more.reserve(HEAD_BYTES.saturating_add(expected));
                self.more.put(std::mem::take(&mut self.parts));
            }
            // A second message would not be read.
            let room = length(&self.more).map_or(usize::MAX, |length| {
                HEAD_BYTES.saturating_add(length).saturating_sub(self.more.len())
            });
            self.more.put(data.slice(..data.len().min(room)));
        }
        let came = if self.more.is_empty() { &self.parts } else { &self.more[..] };
        match came.first() {
            None | Some(0) => {}
            Some(1) => return Err(Status::internal("the message is compressed, and no encoding was said")),
            Some(_) => return Err(Status::internal("the message does not begin as one of gRPC does")),
        }
        match length(came) {
            Some(length) if length > self.bytes_max => Err(Status::out_of_range("too long")),
            _ => Ok(()),
        }
    }

    fn end(self) -> Result<Bytes, Status> {
        let mut came = if self.more.is_empty() { self.parts } else { self.more.freeze() };
        if came.is_empty() {
            return Err(Status::internal("the message is missing"));
        }
        let end = length(&came).and_then(|length| length.checked_add(HEAD_BYTES));
        match end.filter(|end| *end <= came.len()) {
            Some(end) => {
                came.truncate(end);
                Ok(came.split_off(HEAD_BYTES))
            }
            None => Err(Status::internal("the message ends too early")),
        }
    }
}

/// The length that the head says, once it is there.
fn length(came: &[u8]) -> Option<usize> {
    let length = came.get(1..HEAD_BYTES)?.first_chunk().copied().map(u32::from_be_bytes)?;
    usize::try_from(length).ok()
}

/// The response that brings an acknowledgement.
pub(super) fn reply(ack: &Ack) -> http::Response<Body> {
    let length = ack.encoded_len();
    let mut data = BytesMut::with_capacity(HEAD_BYTES.saturating_add(length));
    data.put_u8(0);
    data.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // There is room for it.
    let _ = ack.encode(&mut data);
    let mut response = http::Response::new(Body::new(Reply::Message(data.freeze())));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response
}

/// The body of a reply: a message, then the status.
enum Reply {
    Message(Bytes),
    Status,
    End,
}

impl HttpBody for Reply {
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
    use super::message;
    use http_body_util::{BodyExt, StreamBody};
    use hyper::body::Frame;
    use prost::bytes::Bytes;
    use tonic::Status;

    /// The pieces in which a body comes in, the message or what is wrong with it out.
    #[track_caller]
    fn check(pieces: &[&'static [u8]], expected: Result<&[u8], &str>) {
        let frames: Vec<Result<Frame<Bytes>, Status>> =
            pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))).collect();
        let body = StreamBody::new(tokio_stream::iter(frames)).boxed();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(message(body, 5));
        let read = read.as_deref().map_err(Status::message);
        assert_eq!(read, expected);
    }

    #[test]
    fn a_message_may_come_in_any_pieces() {
        check(&[b"\0\0\0\0\x03abc"], Ok(b"abc"));
        check(&[b"\0\0\0\0\x00"], Ok(b""));
        check(&[b"\0\0", b"", b"\0\0\x05a", b"bc", b"de"], Ok(b"abcde"));
        check(&[b"\0", b"\0", b"\0", b"\0", b"\x01", b"a"], Ok(b"a"));
        // What comes after it is passed over.
        check(&[b"\0\0\0\0\x01a", b"\0\0\0\0\x01b"], Ok(b"a"));
        check(&[b"\0\0\0\0\x01ab", b"c"], Ok(b"a"));
    }

    #[test]
    fn what_is_none_is_said() {
        check(&[], Err("the message is missing"));
        check(&[b"\0\0\0"], Err("the message ends too early"));
        check(&[b"\0\0\0\0\x05abc"], Err("the message ends too early"));
        check(&[b"\0\0\0\0\x06"], Err("too long"));
        check(&[b"\0\xff", b"\xff\xff\xff"], Err("too long"));
        check(&[b"\x01\0\0\0\x01a"], Err("the message is compressed, and no encoding was said"));
        check(&[b"POST / HTTP/1.1"], Err("the message does not begin as one of gRPC does"));
    }
}
