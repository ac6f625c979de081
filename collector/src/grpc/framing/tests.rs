use super::{Frames, next_message, read_message};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use prost::bytes::Bytes;
use std::time::Duration;
use tonic::Status;

fn body(pieces: &[&'static [u8]]) -> impl hyper::body::Body<Data = Bytes, Error = Status> + Unpin + use<> {
    let frames: Vec<Result<Frame<Bytes>, Status>> =
        pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))).collect();
    StreamBody::new(tokio_stream::iter(frames)).boxed()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Reads a body of these pieces, as one message and as a stream, and compares the messages or the
/// error.
#[track_caller]
fn check(pieces: &[&'static [u8]], one: Result<&[u8], &str>, stream: Result<&[&[u8]], &str>) {
    let read = run(read_message(body(pieces), 5));
    assert_eq!(read.as_deref().map_err(Status::message), one);
    let read = run(async {
        let (mut body, mut frames, mut messages) = (body(pieces), Frames::new(5), Vec::new());
        while let Some(message) = next_message(&mut body, &mut frames, Duration::from_secs(9)).await? {
            messages.push(message);
        }
        Ok::<_, Status>(messages)
    });
    let messages = read.as_ref().map(|read| read.iter().map(|message| &**message).collect::<Vec<_>>());
    assert_eq!(messages.as_deref().map_err(|status| status.message()), stream);
}

#[test]
fn a_message_can_arrive_in_any_pieces() {
    check(&[b"\0\0\0\0\x03abc"], Ok(b"abc"), Ok(&[b"abc"]));
    check(&[b"\0\0\0\0\x00"], Ok(b""), Ok(&[b""]));
    check(&[b"\0\0", b"", b"\0\0\x05a", b"bc", b"de"], Ok(b"abcde"), Ok(&[b"abcde"]));
    check(&[b"\0", b"\0", b"\0", b"\0", b"\x01", b"a"], Ok(b"a"), Ok(&[b"a"]));
}

#[test]
fn a_stream_has_many_messages_and_a_call_has_one() {
    check(&[b"\0\0\0\0\x01a", b"\0\0\0\0\x01b"], Ok(b"a"), Ok(&[b"a", b"b"]));
    check(&[b"\0\0\0\0\x01a\0\0\0\0\x02", b"bc\0\0\0\0\0"], Ok(b"a"), Ok(&[b"a", b"bc", b""]));
    check(&[b"\0\0\0\0\x01ab", b"c"], Ok(b"a"), Err("the message has no valid gRPC head"));
}

#[test]
fn invalid_framing_is_rejected() {
    let check_both = |pieces: &[&'static [u8]], error: &str| check(pieces, Err(error), Err(error));
    check(&[], Err("the message is missing"), Ok(&[]));
    check_both(&[b"\0\0\0"], "the message ends too early");
    check_both(&[b"\0\0\0\0\x05abc"], "the message ends too early");
    check_both(&[b"\0\0\0\0\x06"], "too long");
    check_both(&[b"\0\xff", b"\xff\xff\xff"], "too long");
    check_both(&[b"\x01\0\0\0\x01a"], "a message is compressed without a grpc-encoding header");
    check_both(&[b"POST / HTTP/1.1"], "the message has no valid gRPC head");
}

#[test]
fn the_announced_length_reserves_no_memory() {
    let mut frames = Frames::new(4 << 20);
    let head = [0, 0, 0x3f, 0xff, 0xff];
    for byte in head {
        frames.push(Bytes::copy_from_slice(&[byte])).unwrap();
    }
    assert!(frames.joined.capacity() <= 64, "{} bytes for 5", frames.joined.capacity());
    let mut arrived = head.len();
    while arrived < 1 << 20 {
        frames.push(Bytes::from(vec![0; 1_000])).unwrap();
        arrived += 1_000;
        assert!(frames.joined.capacity() <= 2 * arrived + 64, "{}", frames.joined.capacity());
    }
}
