//! Body meter: counts the bytes of a request body against the budget of its connection.
//!
//! In: the frames of a request body. Out: the same frames, or an end with a reason. Invariant:
//! bytes that have arrived and are not handled yet are in the budget of the connection; the body of
//! a unary call arrives in time or is rejected.

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

/// Reason why a body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The body took too long.
    Slow,
    /// The budget of the connection is used up.
    OverBudget,
    /// The client or the connection ended the body.
    Aborted,
}

#[derive(Debug)]
struct State {
    held: Held,
    cut: Option<Cut>,
}

/// Bytes in use of a body; shared between the body and its handler.
#[derive(Debug, Clone)]
pub(super) struct Meter(Arc<Mutex<State>>);

impl Meter {
    pub(super) fn new(held: Held) -> Self {
        Self(Arc::new(Mutex::new(State { held, cut: None })))
    }

    /// Reason of an early end, if any.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.state().cut
    }

    /// Releases handled bytes.
    pub(super) fn release(&self, bytes: u64) {
        self.state().held.shrink(bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, cut: Cut) {
        self.state().cut = Some(cut);
    }
}

/// Body with a meter.
pub(super) struct MeteredBody {
    body: Body,
    meter: Meter,
    time_max: Option<Duration>,
    /// Timer, created only for a body that does not arrive at once.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl MeteredBody {
    /// Returns a metered body. `time_max`: time for the whole body; `None` for a long-lived stream.
    pub(super) fn new(body: Body, meter: Meter, time_max: Option<Duration>) -> Self {
        Self { body, meter, time_max, deadline: None }
    }
}

impl HttpBody for MeteredBody {
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
                if bytes > 0 && !this.meter.state().held.grow(bytes) {
                    this.meter.end(Cut::OverBudget);
                    return Poll::Ready(Some(Err(Status::resource_exhausted(
                        "the bytes in flight reach their limit",
                    ))));
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
