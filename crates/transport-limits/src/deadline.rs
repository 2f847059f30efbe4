//! A future with a deadline that gives the reactor one more turn.

use std::future::Future;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::{sleep_until, Instant, Sleep};

use crate::grace::Grace;

/// The deadline passed.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// Runs a future until this instant.
pub(crate) fn until<F: Future>(deadline: Instant, future: F) -> UntilDeadline<F> {
    UntilDeadline {
        future,
        deadline: sleep_until(deadline),
        grace: Grace::default(),
    }
}

pin_project! {
    /// As tokio's `Timeout`, with one more poll of the sockets.
    ///
    /// A process that was stopped may find bytes in them.
    pub(crate) struct UntilDeadline<F> {
        #[pin]
        future: F,
        #[pin]
        deadline: Sleep,
        grace: Grace,
    }
}

impl<F: Future> Future for UntilDeadline<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        ready!(this.deadline.as_mut().poll(cx));
        let late = Instant::now().saturating_duration_since(this.deadline.deadline());
        ready!(this.grace.poll(cx, late));
        Poll::Ready(Err(Elapsed))
    }
}
