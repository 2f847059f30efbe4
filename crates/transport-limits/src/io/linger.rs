//! The close of a stream: lingering and in order, or aborted.
//!
//! A socket closed with unread bytes resets the connection, and the reset destroys bytes still on
//! their way to the peer (RFC 1122 §4.2.2.13). So after our end of stream, the peer's bytes are read
//! and discarded for a while.

use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{sleep, sleep_until, Instant};
use transport_core::{Io, TaskKind};

use crate::core::Core;
use crate::ending::CloseMode;
use crate::permit::Permit;
use crate::read_buf;

/// Longest duration of a lingering close.
const LINGER: Duration = Duration::from_secs(2);
/// Most bytes that are discarded, once all of ours were sent.
const MAX_DISCARDED: usize = 1 << 20;
/// First interval between checks for unsent bytes; it doubles each time.
///
/// A failing upstream closes all its clients at once, and a check costs some system calls.
const FIRST_CHECK: Duration = Duration::from_millis(10);
/// Longest interval between two such checks.
const MAX_CHECK: Duration = Duration::from_millis(160);
/// Reads of one poll.
const READS_PER_POLL: usize = 16;

/// A closing stream; its permit keeps its place until the end.
struct LingeringStream<I> {
    // First, so that the socket is closed before the permit is given back.
    io: I,
    /// Whether our end of stream was sent.
    shut: bool,
    /// Whether the peer's end of stream arrived, or enough was discarded.
    ended: bool,
    discarded: usize,
    _permit: Permit,
}

/// Closes a stream. `shut` says that its write half is already shut down.
pub(super) fn close<I: Io>(io: I, permit: Permit, core: &Arc<Core>, mode: CloseMode, shut: bool) {
    let mut stream = LingeringStream {
        io,
        shut,
        // An evicted connection has nothing in flight.
        ended: permit.skips_linger(),
        discarded: 0,
        _permit: permit,
    };
    match mode {
        CloseMode::Abort => stream.io.abort(),
        CloseMode::InOrder => {
            // Most peers have closed already, and then no task is needed.
            let mut cx = Context::from_waker(&NO_WAKER);
            if stream.poll_in_order(&mut cx).is_pending() {
                spawn(core, |core| stream.in_order(core));
            }
        }
        CloseMode::AbortSent => {
            let mut cx = Context::from_waker(&NO_WAKER);
            let flushed = Pin::new(&mut stream.io).poll_flush(&mut cx);
            if flushed.is_ready() && stream.io.has_sent_all() {
                stream.io.abort();
            } else {
                spawn(core, |core| stream.abort_sent(core));
            }
        }
    }
}

/// Spawns a lingering close. Outside of a runtime the stream is dropped at once.
fn spawn<F>(core: &Arc<Core>, closing: impl FnOnce(Arc<Core>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    if Handle::try_current().is_err() {
        return;
    }
    let closing = closing(Arc::clone(core));
    core.tasks().spawn(TaskKind::Linger, closing);
}

impl<I: Io> LingeringStream<I> {
    /// Waits for the peer's end of stream, for 2 s at most.
    async fn in_order(mut self, core: Arc<Core>) {
        let _counted = core.count_lingering();
        let until = sleep_until(Instant::now() + LINGER);
        tokio::select! {
            biased;
            () = poll_fn(|cx| self.poll_in_order(cx)) => {}
            () = until => {}
            () = core.closed() => {}
        }
    }

    /// Sends our end of stream, and discards the peer's bytes.
    ///
    /// Ready once both directions have ended.
    ///
    /// It discards first: a peer that writes all of its bytes before it reads must not block ours.
    fn poll_in_order(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.ended {
            self.ended = self.poll_discard(cx).is_ready();
        }
        if !self.shut {
            if self.ended {
                self.io.expect_drop();
            }
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

    /// Ready at the peer's end or failure, or after enough bytes.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..READS_PER_POLL {
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

    /// Aborts once everything written was sent.
    ///
    /// So bytes written before the failure reach the peer, as they would without a relay.
    async fn abort_sent(mut self, core: Arc<Core>) {
        let _counted = core.count_lingering();
        let until = Instant::now() + LINGER;
        let mut pause = FIRST_CHECK;
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
                () = sleep(pause) => pause = (2 * pause).min(MAX_CHECK),
                () = core.closed() => break,
            }
        }
        self.io.abort();
    }
}

/// Wakes no task, for a poll that is repeated elsewhere.
static NO_WAKER: LazyLock<Waker> = LazyLock::new(|| Waker::from(Arc::new(NoWake)));

struct NoWake;

impl Wake for NoWake {
    fn wake(self: Arc<Self>) {}
}
