//! The end of a stream that its handler has let go: in order with a lingering close, or aborted.
//!
//! A socket that is closed with unread bytes resets the connection, and the reset destroys what is
//! still on its way to the peer (RFC 1122 §4.2.2.13). So after our end of stream the peer's bytes
//! are read and discarded, for a while.

use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{sleep, sleep_until, Instant};
use transport_core::{Io, TaskKind};

use crate::admission::Permit;
use crate::ending::CloseMode;
use crate::limiter::Limiter;
use crate::read_buf;

/// How long a lingering close lasts at most.
const LINGER: Duration = Duration::from_secs(2);
/// Bytes discarded at most, once everything of ours has been sent.
const MAX_DISCARDED: usize = 1 << 20;
/// How soon a stream is asked whether it has sent everything; each time twice as long after, up to
/// [`LOOK_AT_LEAST`]. An upstream that fails takes all its clients with it, and a look costs some
/// system calls.
const LOOK_FIRST: Duration = Duration::from_millis(10);
const LOOK_AT_LEAST: Duration = Duration::from_millis(160);
/// Reads of one poll.
const TURN: usize = 16;

/// A stream on its way out. The permit keeps its place until it is gone.
pub(super) struct LingeringStream<I> {
    // First, so that the socket is closed before the permit is given back.
    io: I,
    /// Our end of stream is out.
    shut: bool,
    /// The peer's is in, or enough was discarded.
    ended: bool,
    discarded: usize,
    _permit: Permit,
}

/// Ends a stream in this manner. `shut`: its write half was shut down already.
pub(super) fn end<I: Io>(io: I, permit: Permit, limiter: &Limiter, manner: CloseMode, shut: bool) {
    let mut leaving = LingeringStream {
        io,
        shut,
        // An evicted connection has nothing in flight.
        ended: permit.hurries(),
        discarded: 0,
        _permit: permit,
    };
    match manner {
        CloseMode::Abort => leaving.io.abort(),
        CloseMode::InOrder => {
            // Most peers have closed already: then no task is needed.
            let mut cx = Context::from_waker(&NO_WAKER);
            if leaving.poll_in_order(&mut cx).is_pending() {
                spawn(limiter, |limiter| leaving.in_order(limiter));
            }
        }
        CloseMode::AbortSent => {
            let mut cx = Context::from_waker(&NO_WAKER);
            let flushed = Pin::new(&mut leaving.io).poll_flush(&mut cx);
            if flushed.is_ready() && leaving.io.has_sent_all() {
                leaving.io.abort();
            } else {
                spawn(limiter, |limiter| leaving.abort_sent(limiter));
            }
        }
    }
}

/// Runs a lingering close as a task; outside of a runtime the stream is dropped at once.
fn spawn<F>(limiter: &Limiter, closing: impl FnOnce(Limiter) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    if Handle::try_current().is_err() {
        return;
    }
    let closing = closing(limiter.clone());
    limiter.tasks().spawn(TaskKind::Linger, closing);
}

impl<I: Io> LingeringStream<I> {
    /// Waits for the peer's end of stream, at most as long as a lingering close lasts.
    async fn in_order(mut self, limiter: Limiter) {
        let _counted = limiter.lingers();
        let until = sleep_until(Instant::now() + LINGER);
        tokio::select! {
            biased;
            () = poll_fn(|cx| self.poll_in_order(cx)) => {}
            () = until => {}
            () = limiter.closed() => {}
        }
    }

    /// Sends our end of stream and discards what the peer sends: a peer that does not read before
    /// it has written all of its own must not block our last bytes. Ready once both have ended.
    fn poll_in_order(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.ended {
            self.ended = self.poll_discard(cx).is_ready();
        }
        if !self.shut {
            match Pin::new(&mut self.io).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => self.shut = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.ended {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Ready at the peer's end of stream, at its failure, or when enough was discarded.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURN {
            let read = read_buf::with(read_buf::BYTES, |buf| {
                self.io
                    .poll_discard(cx, buf)
                    .map_ok(|()| buf.filled().len())
            });
            match read {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(read)) => self.discarded += read,
                Poll::Pending => return Poll::Pending,
            }
            if self.discarded > MAX_DISCARDED && self.io.has_sent_all() {
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Aborts once everything written was sent: what the peer was given before the failure
    /// reaches it, as it would without us in between.
    async fn abort_sent(mut self, limiter: Limiter) {
        let _counted = limiter.lingers();
        let until = Instant::now() + LINGER;
        let mut pause = LOOK_FIRST;
        while Instant::now() < until {
            let flushed = poll_fn(|cx| {
                if !self.ended {
                    self.ended = self.poll_discard(cx).is_ready();
                }
                Poll::Ready(Pin::new(&mut self.io).poll_flush(cx).is_ready())
            });
            if flushed.await && self.io.has_sent_all() {
                break;
            }
            tokio::select! {
                () = sleep(pause) => pause = (2 * pause).min(LOOK_AT_LEAST),
                () = limiter.closed() => break,
            }
        }
        self.io.abort();
    }
}

/// Wakes nothing: for a poll that is repeated elsewhere if it pends.
static NO_WAKER: LazyLock<Waker> = LazyLock::new(|| Waker::from(Arc::new(NoWake)));

struct NoWake;

impl Wake for NoWake {
    fn wake(self: Arc<Self>) {}
}
