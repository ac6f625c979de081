//! Unary calls: the response with an acknowledgement.
//!
//! Source: gRPC over HTTP/2 (`PROTOCOL-HTTP2.md`): a message, then trailers with the status of the
//! call.

use super::framing::HEAD_BYTES;
use hopscope_proto::v1::Ack;
use hyper::body::{Body as HttpBody, Frame};
use prost::Message;
use prost::bytes::{BufMut, Bytes, BytesMut};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::codegen::http::{self, HeaderMap, HeaderValue, header};

/// Whether the head of a call announces compressed messages.
pub(super) fn is_compressed(request: &http::Request<Body>) -> bool {
    request.headers().get("grpc-encoding").is_some_and(|encoding| encoding != "identity")
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
