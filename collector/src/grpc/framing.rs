//! Framing: the messages of a gRPC body.
//!
//! In: the bytes of a body, in any pieces. Out: messages. Invariant: memory is reserved for bytes
//! that have arrived, and at most as much again; the length in the head of a message reserves
//! nothing. A message in one piece is not copied. Nothing of an oversized message is stored.
//!
//! Source: gRPC over HTTP/2 (`PROTOCOL-HTTP2.md`). A message consists of one byte for compression,
//! four bytes for the length, and its content.

use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use prost::bytes::{Bytes, BytesMut};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

/// Bytes before a message: compression and length.
pub(super) const HEAD_BYTES: usize = 5;

/// Bytes of a body that have arrived and are not returned yet.
#[derive(Debug)]
pub(super) struct Frames {
    /// The bytes, while they are one piece.
    first: Bytes,
    /// Copy of all pieces, from the second piece on.
    joined: BytesMut,
    bytes_max: usize,
}

impl Frames {
    /// Returns an empty buffer for messages of at most `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { first: Bytes::new(), joined: BytesMut::new(), bytes_max }
    }

    /// Whether every byte has been returned.
    pub(super) fn is_empty(&self) -> bool {
        self.arrived().is_empty()
    }

    /// Appends a piece.
    ///
    /// # Errors
    ///
    /// `OutOfRange` when the message is longer than the limit; `Unimplemented` when it is
    /// compressed; `Internal` for an invalid head.
    pub(super) fn push(&mut self, data: Bytes) -> Result<(), Status> {
        if self.is_empty() {
            self.joined.clear();
            self.first = data;
        } else {
            if self.joined.is_empty() {
                self.joined = BytesMut::from(&*std::mem::take(&mut self.first));
            }
            self.joined.extend_from_slice(&data);
        }
        self.check()
    }

    /// Returns the next message, if it is complete.
    ///
    /// # Errors
    ///
    /// As [`Self::push`], for the message after it.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let arrived = self.arrived();
        let end = length(arrived).and_then(|length| length.checked_add(HEAD_BYTES));
        let Some(end) = end.filter(|end| *end <= arrived.len()) else { return Ok(None) };
        let mut message = if self.joined.is_empty() {
            self.first.split_to(end)
        } else {
            self.joined.split_to(end).freeze()
        };
        self.check()?;
        Ok(Some(message.split_off(HEAD_BYTES)))
    }

    fn arrived(&self) -> &[u8] {
        if self.joined.is_empty() { &self.first } else { &self.joined }
    }

    /// Checks the head of the next message.
    fn check(&self) -> Result<(), Status> {
        let arrived = self.arrived();
        match arrived.first() {
            None | Some(0) => {}
            Some(1) => {
                return Err(Status::unimplemented("a message is compressed without a grpc-encoding header"));
            }
            Some(_) => return Err(Status::internal("the message has no valid gRPC head")),
        }
        match length(arrived) {
            Some(length) if length > self.bytes_max => Err(Status::out_of_range("too long")),
            _ => Ok(()),
        }
    }
}

/// Reads the message of a unary call, to the end of the body. Bytes after the message are ignored.
///
/// # Errors
///
/// The error of the body, or of [`Frames::push`]; `Internal` for a missing or incomplete message.
pub(super) async fn read_message<B>(mut body: B, bytes_max: usize) -> Result<Bytes, Status>
where
    B: HttpBody<Data = Bytes, Error = Status> + Unpin,
{
    let mut frames = Frames::new(bytes_max);
    let mut message = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if message.is_none() && !data.is_empty() {
            frames.push(data)?;
            message = frames.whole();
        }
    }
    let missing = if frames.is_empty() { "the message is missing" } else { "the message ends too early" };
    message.ok_or_else(|| Status::internal(missing))
}

impl Frames {
    /// Returns the message, if it is complete, whatever follows it.
    fn whole(&mut self) -> Option<Bytes> {
        let arrived = self.arrived();
        let end = length(arrived)?.checked_add(HEAD_BYTES).filter(|end| *end <= arrived.len())?;
        let joined = std::mem::take(&mut self.joined);
        let mut message = if joined.is_empty() { std::mem::take(&mut self.first) } else { joined.freeze() };
        message.truncate(end);
        Some(message.split_off(HEAD_BYTES))
    }
}

/// Reads the next message of a stream; `None` at its end.
///
/// `time_max`: time from the first to the last byte of a message. Silence before it is allowed.
///
/// # Errors
///
/// As [`read_message`]; `DeadlineExceeded` for a slow message.
pub(super) async fn next_message<B>(
    body: &mut B,
    frames: &mut Frames,
    time_max: Duration,
) -> Result<Option<Bytes>, Status>
where
    B: HttpBody<Data = Bytes, Error = Status> + Unpin,
{
    let mut deadline = None;
    loop {
        if let Some(message) = frames.next()? {
            return Ok(Some(message));
        }
        let frame = if frames.is_empty() {
            body.frame().await
        } else {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + time_max);
            let slow = |_| Status::deadline_exceeded("the message took too long");
            timeout_at(deadline, body.frame()).await.map_err(slow)?
        };
        match frame {
            Some(frame) => {
                if let Ok(data) = frame?.into_data() {
                    frames.push(data)?;
                }
            }
            None if frames.is_empty() => return Ok(None),
            None => return Err(Status::internal("the message ends too early")),
        }
    }
}

/// Length of the message, once its head has arrived.
fn length(arrived: &[u8]) -> Option<usize> {
    let length = arrived.get(1..HEAD_BYTES)?.first_chunk().copied().map(u32::from_be_bytes)?;
    usize::try_from(length).ok()
}

#[cfg(test)]
mod tests;
