//! `GuardedIo`: a stream with deadlines, pacing, exact byte counts and cancellation.

pub(crate) mod grace;
mod half;
mod linger;
mod pace;
mod timer;
mod write;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::task::{ready, Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use transport_core::{CloseReason, Direction, Io, Op, TransportError};

use crate::admission::Permit;
use crate::control::Control;
use crate::ending::{Ending, Manner};
use crate::event;
use crate::shared::Shared;
use half::Half;
use write::{Look, Terms, WriteClock};

/// A guarded stream. Its deadlines fire through the task that polled it last; a stream that no
/// task polls is ended by [`Control::ended`].
///
/// Dropping it ends the connection: in order with a lingering close, or aborted, so that the peer
/// never takes a stream that was cut for a whole one. Aborted are connections that were cancelled
/// or met a read or write deadline, failed streams, streams with a write that was given up while
/// it waited for the peer, and those of a panicking task.
pub struct GuardedIo<I: Io> {
    /// `None` once it is dropped. Boxed, since futures that hold the stream are moved and copied
    /// into each other.
    open: Option<Box<Open<I>>>,
    control: Control,
}

struct Open<I> {
    io: I,
    read: Half,
    write: Half,
    write_clock: WriteClock,
    /// The first failure that the stream itself reported, in words where the reason has none.
    failed: Option<(CloseReason, Option<Box<str>>)>,
    permit: Permit,
}

impl<I: Io> GuardedIo<I> {
    pub(crate) fn new(io: I, shared: Shared, permit: Permit) -> Self {
        let shared = Arc::new(shared);
        shared.limiter.enter(&shared);
        let open = Box::new(Open {
            io,
            read: Half::new(Direction::In),
            write: Half::new(Direction::Out),
            write_clock: WriteClock::default(),
            failed: None,
            permit,
        });
        Self {
            open: Some(open),
            control: Control(shared),
        }
    }

    /// The handle that cancels, counts and says what is owed.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    pub(crate) const fn control_ref(&self) -> &Control {
        &self.control
    }

    /// The stream and its state, unless the connection was ended.
    fn parts(&mut self) -> io::Result<(&mut Open<I>, &Shared)> {
        let shared = &*self.control.0;
        if let Some(error) = shared.end() {
            return Err(error.into());
        }
        match &mut self.open {
            Some(open) => Ok((open, shared)),
            None => Err(TransportError::Closed.into()),
        }
    }
}

impl<I: Io> Open<I> {
    /// Takes note of a failure of the stream and makes it the transport's.
    fn fail(&mut self, error: io::Error) -> io::Error {
        let error = TransportError::from(error);
        self.failed.get_or_insert_with(|| {
            let reason = error.close_reason();
            let in_words = reason == CloseReason::Error;
            (reason, in_words.then(|| error.to_string().into()))
        });
        error.into()
    }

    /// A write, flush or shutdown that waits for the peer.
    fn write_pends(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
        mut now: u64,
    ) -> Poll<io::Error> {
        let terms = Terms::of(&shared.settings);
        loop {
            let look_at = self.write_clock.pends(now, terms);
            shared.activity.write_waits(self.write_clock.ends(terms));
            if now < look_at {
                let timer = &mut self.write.timer;
                if timer.poll(&shared.limiter, look_at, cx).is_pending() {
                    break;
                }
                now = shared.limiter.now();
                continue;
            }
            match self.write_clock.look(now, self.io.taken(), terms) {
                Look::Over => return Poll::Ready(shared.expire(Op::Write).into()),
                Look::Moves => shared.activity.touch(now),
                Look::Waits => {}
            }
        }
        let ended = self.write.pend(shared, cx, now, None);
        ended.map(io::Error::from)
    }
}

impl<I: Io> std::fmt::Debug for GuardedIo<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedIo")
            .field("id", &self.control.id())
            .finish_non_exhaustive()
    }
}

impl<I: Io> Io for GuardedIo<I> {
    /// Ends the connection as [`Control::cancel`] does.
    fn abort(&mut self) {
        self.control.cancel();
    }

    fn has_sent_all(&mut self) -> bool {
        self.open
            .as_mut()
            .map_or(true, |open| open.io.has_sent_all())
    }

    fn taken(&mut self) -> Option<u64> {
        self.open.as_mut().and_then(|open| open.io.taken())
    }

    /// Resolves once the peer has reset the connection, which then counts as `reset`.
    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let shared = &self.control.0;
        let Some(open) = &mut self.open else {
            return Box::pin(std::future::pending());
        };
        let reset = open.io.wait_reset();
        Box::pin(async move {
            reset.await;
            shared.end_as(Ending::Reset);
        })
    }
}

impl<I: Io> AsyncRead for GuardedIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (open, shared) = self.parts()?;
        let want = buf.remaining();
        if want == 0 {
            return Pin::new(&mut open.io).poll_read(cx, buf);
        }
        let now = shared.limiter.now();
        let grants = ready!(open.read.poll_take(shared, cx, now, want))?;
        let before = buf.filled().len();
        let limit = grants.limit(want);
        let polled = if limit < want {
            let mut clamped = (&mut open.io).take(limit as u64);
            Pin::new(&mut clamped).poll_read(cx, buf)
        } else {
            Pin::new(&mut open.io).poll_read(cx, buf)
        };
        let read = buf.filled().len() - before;
        open.read.settle(shared, grants, read);
        match polled {
            Poll::Ready(Ok(())) => {
                if read == 0 {
                    shared.half_ended(Direction::In);
                } else {
                    open.read.moved(shared, read, now);
                    shared.paid(read as u64);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(open.fail(error))),
            Poll::Pending => {
                let owed = shared.read_deadline().map(|deadline| (deadline, Op::Read));
                let error = ready!(open.read.pend(shared, cx, now, owed));
                Poll::Ready(Err(error.into()))
            }
        }
    }
}

impl<I: Io> AsyncWrite for GuardedIo<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (open, shared) = self.parts()?;
        let want = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if want == 0 {
            return Pin::new(&mut open.io).poll_write_vectored(cx, bufs);
        }
        let now = shared.limiter.now();
        let terms = Terms::of(&shared.settings);
        open.write_clock.before(now, terms);
        let taken = open.write.poll_take(shared, cx, now, want);
        let grants = ready!(taken)?;
        let limit = grants.limit(want);
        let polled = write::poll_clamped(Pin::new(&mut open.io), cx, bufs, limit);
        let written = match &polled {
            Poll::Ready(Ok(written)) => *written,
            _ => 0,
        };
        open.write.settle(shared, grants, written);
        match polled {
            Poll::Ready(Ok(written)) => {
                open.write.moved(shared, written, now);
                shared.activity.write_done();
                open.write_clock.accepted(now, written, terms);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(open.fail(error))),
            Poll::Pending => open.write_pends(shared, cx, now).map(Err),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.io.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (open, shared) = self.parts()?;
        match Pin::new(&mut open.io).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                open.write_clock.flushed();
                shared.activity.write_done();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(open.fail(error))),
            Poll::Pending => {
                let now = shared.limiter.now();
                open.write_clock.before(now, Terms::of(&shared.settings));
                open.write_pends(shared, cx, now).map(Err)
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (open, shared) = self.parts()?;
        match Pin::new(&mut open.io).poll_shutdown(cx) {
            Poll::Ready(Ok(())) => {
                open.write.hand_on(shared);
                open.write_clock.clear();
                shared.activity.write_done();
                shared.half_ended(Direction::Out);
                Poll::Ready(Ok(()))
            }
            // The peer has said everything and is gone: only our goodbye is lost.
            Poll::Ready(Err(error)) if shared.activity.has_ended(Direction::In) => {
                Poll::Ready(Err(error))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(open.fail(error))),
            Poll::Pending => {
                let now = shared.limiter.now();
                open.write_clock.before(now, Terms::of(&shared.settings));
                open.write_pends(shared, cx, now).map(Err)
            }
        }
    }
}

impl<I: Io> Drop for GuardedIo<I> {
    fn drop(&mut self) {
        let shared = &*self.control.0;
        let Some(open) = self.open.take() else {
            return;
        };
        let mut open = *open;
        open.read.pacer.abandon(shared, Direction::In);
        open.write.pacer.abandon(shared, Direction::Out);
        open.read.hand_on(shared);
        open.write.hand_on(shared);
        let ending = shared.ending();
        let shut = shared.activity.has_ended(Direction::Out);
        let manner = manner(shared, ending, open.failed.is_some());
        let (failed, why) = open.failed.take().unzip();
        let unusable = shared.has_failed() || std::thread::panicking();
        let reason = failed
            .or(ending.and_then(Ending::close_reason))
            .or(unusable.then_some(CloseReason::Error))
            .unwrap_or(CloseReason::Eof);
        shared.limiter.leave(shared);
        // The end of this connection is what `Control::ended` waits for.
        shared.end_as(Ending::Closed);
        if shared.ending() == Some(Ending::Evicted) {
            open.permit.evicted();
        }
        shared.limiter.observer().closed(shared.backend, reason);
        event::closed(shared, reason, why.flatten().as_deref());
        linger::end(open.io, open.permit, &shared.limiter, manner, shut);
    }
}

/// Decides how the peer sees the end.
fn manner(shared: &Shared, ending: Option<Ending>, failed: bool) -> Manner {
    if failed || std::thread::panicking() {
        return Manner::Abort;
    }
    match ending {
        // A write was given up while it waited.
        Some(Ending::Idle | Ending::HalfClose)
            if shared.activity.writing.load(Ordering::Relaxed) =>
        {
            Manner::Abort
        }
        Some(ending) => ending.manner(),
        // The handler has said its last word, whatever came over the connection.
        None if shared.activity.has_ended(Direction::Out) => Manner::InOrder,
        // A write was given up while it waited, or the connection could not be used.
        None if shared.has_failed() || shared.activity.writing.load(Ordering::Relaxed) => {
            Manner::Abort
        }
        None => Manner::InOrder,
    }
}
