//! Request bodies with a deadline for each chunk.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use tokio::time::{sleep, Sleep};

use crate::request_state::RequestState;

/// A request body. Each chunk must arrive within `read_timeout`.
///
/// Over HTTP/1.1 a late chunk ends the connection. Over HTTP/2 it is an error of this body, and the
/// other requests of the connection continue.
pub struct RequestBody {
    body: Incoming,
    wait: Wait,
}

/// The deadline of the next chunk.
enum Wait {
    /// HTTP/1.1: the guard of the connection enforces it.
    Conn { state: RequestState, waiting: bool },
    /// HTTP/2: one connection has many bodies.
    Timer {
        timeout: Duration,
        timer: Option<Pin<Box<Sleep>>>,
    },
}

/// The error of a request body.
#[derive(Debug)]
#[non_exhaustive]
pub enum RequestBodyError {
    /// No chunk arrived within this time.
    Timeout(Duration),
    /// The connection or the stream failed.
    Http(hyper::Error),
}

impl fmt::Display for RequestBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(after) => write!(f, "the request body had no data for {after:?}"),
            Self::Http(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RequestBodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Timeout(_) => None,
            Self::Http(error) => Some(error),
        }
    }
}

impl RequestBody {
    pub(crate) const fn http1(body: Incoming, state: RequestState) -> Self {
        let waiting = false;
        Self {
            body,
            wait: Wait::Conn { state, waiting },
        }
    }

    pub(crate) const fn http2(body: Incoming, timeout: Duration) -> Self {
        let timer = None;
        Self {
            body,
            wait: Wait::Timer { timeout, timer },
        }
    }
}

impl Wait {
    /// Starts the deadline unless it runs. Ready once it has passed.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        match self {
            Self::Conn { state, waiting } => {
                if !std::mem::replace(waiting, true) {
                    state.expect_body(true);
                }
                Poll::Pending
            }
            Self::Timer { timeout, timer } => {
                let timer = timer.get_or_insert_with(|| Box::pin(sleep(*timeout)));
                timer.as_mut().poll(cx).map(|()| *timeout)
            }
        }
    }

    fn arrived(&mut self) {
        match self {
            Self::Conn { state, waiting } => {
                if std::mem::replace(waiting, false) {
                    state.expect_body(false);
                }
            }
            Self::Timer { timer, .. } => *timer = None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.wait.arrived();
                Poll::Ready(frame.map(|frame| frame.map_err(RequestBodyError::Http)))
            }
            Poll::Pending => {
                let late = self.wait.poll_late(cx);
                late.map(|after| Some(Err(RequestBodyError::Timeout(after))))
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

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.wait.arrived();
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestBody").field(&self.body).finish()
    }
}
