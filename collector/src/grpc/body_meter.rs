//! The body of a call, counted while it is held.
//!
//! In: the frames of a request's body. Out: the same frames, or an end with a reason. Always holds: what has arrived and is
//! not yet handled is in the budget of its connection; a body of one message is there in time or not at all.

use super::quota::Held;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use prost::bytes::{Buf, Bytes};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It took too long.
    Slow,
    /// There was no room for it.
    NoRoom,
    /// The client or the connection ended it.
    Aborted,
}

#[derive(Debug)]
struct Inside {
    held: Held,
    cut: Option<Cut>,
}

/// What is held of a body; shared between the body and whoever handles it.
#[derive(Debug, Clone)]
pub(super) struct Meter(Arc<Mutex<Inside>>);

impl Meter {
    pub(super) fn new(held: Held) -> Self {
        Self(Arc::new(Mutex::new(Inside { held, cut: None })))
    }

    /// Why the body ended before its end, if it did.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.inside().cut
    }

    /// Bytes that have arrived and are not handled yet.
    pub(super) fn held(&self) -> u64 {
        self.inside().held.amount()
    }

    /// So many bytes are handled.
    pub(super) fn handled(&self, bytes: u64) {
        self.inside().held.shrink(bytes);
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, cut: Cut) {
        self.inside().cut = Some(cut);
    }
}

/// A counted body.
pub(super) struct Metered {
    body: Body,
    meter: Meter,
    time_max: Option<Duration>,
    /// Made only when a body does not come at once, which most do.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Metered {
    /// `time_max`: how long all of it may take; `None` for a body without end.
    pub(super) fn new(body: Body, meter: Meter, time_max: Option<Duration>) -> Self {
        Self { body, meter, time_max, deadline: None }
    }
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                if bytes > 0 && !this.meter.inside().held.grow(bytes) {
                    this.meter.end(Cut::NoRoom);
                    return Poll::Ready(Some(Err(Status::resource_exhausted("no room for the message"))));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(status))) => {
                this.meter.end(Cut::Aborted);
                Poll::Ready(Some(Err(status)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let Some(time_max) = this.time_max else { return Poll::Pending };
                let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(time_max)));
                ready!(deadline.as_mut().poll(context));
                this.meter.end(Cut::Slow);
                Poll::Ready(Some(Err(Status::deadline_exceeded("the message took too long"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
