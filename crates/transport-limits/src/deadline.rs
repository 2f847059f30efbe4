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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{advance, sleep, sleep_until};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);
    const MILLISECOND: Duration = Duration::from_millis(1);

    /// Returns whether a result this long after the deadline is in time.
    async fn is_in_time(late: Duration) -> bool {
        let deadline = Instant::now() + LIMIT;
        until(deadline, sleep_until(deadline + late)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn result_in_the_turn_is_in_time() {
        assert!(is_in_time(Duration::ZERO).await);
        assert!(is_in_time(MILLISECOND).await);
        assert!(!is_in_time(5 * MILLISECOND).await);
    }

    #[tokio::test(start_paused = true)]
    async fn stopped_process_gets_longer_turn() {
        for (late, in_time) in [(30, true), (70, false)] {
            let deadline = Instant::now() + LIMIT;
            advance(5 * LIMIT).await;
            let result = until(deadline, sleep(late * MILLISECOND)).await;
            assert_eq!(result.is_ok(), in_time, "{late} ms");
        }
    }
}
