//! The open stream of a guarded connection, and its operations.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{ready, Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use transport_core::{CloseReason, Direction, Io, Op, TransportError};

use super::half::Half;
use super::linger;
use super::write_clock::{self, Look, Terms, WriteClock};
use crate::admission::Permit;
use crate::conn_state::Shared;
use crate::ending::{Ending, Manner};
use crate::event;

pub(super) struct Open<I> {
    pub(super) io: I,
    read: Half,
    write: Half,
    write_clock: WriteClock,
    /// The first failure that the stream itself reported, in words where the reason has none.
    failed: Option<(CloseReason, Option<Box<str>>)>,
    permit: Permit,
}

impl<I: Io> Open<I> {
    pub(super) fn new(io: I, permit: Permit) -> Self {
        Self {
            io,
            read: Half::new(Direction::In),
            write: Half::new(Direction::Out),
            write_clock: WriteClock::default(),
            failed: None,
            permit,
        }
    }

    pub(super) fn poll_read(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let want = buf.remaining();
        if want == 0 {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let now = shared.limiter.now();
        let grants = ready!(self.read.poll_take(shared, cx, now, want))?;
        let before = buf.filled().len();
        let limit = grants.limit(want);
        let polled = if limit < want {
            let mut clamped = (&mut self.io).take(limit as u64);
            Pin::new(&mut clamped).poll_read(cx, buf)
        } else {
            Pin::new(&mut self.io).poll_read(cx, buf)
        };
        let read = buf.filled().len() - before;
        self.read.settle(shared, grants, read);
        match polled {
            Poll::Ready(Ok(())) => {
                if read == 0 {
                    shared.half_ended(Direction::In);
                } else {
                    self.read.moved(shared, read, now);
                    shared.paid(read as u64);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => {
                let owed = shared.read_deadline().map(|deadline| (deadline, Op::Read));
                let error = ready!(self.read.pend(shared, cx, now, owed));
                Poll::Ready(Err(error.into()))
            }
        }
    }

    pub(super) fn poll_write(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let want = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if want == 0 {
            return Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        }
        let now = shared.limiter.now();
        let terms = Terms::of(&shared.settings);
        self.write_clock.before(now, terms);
        let taken = self.write.poll_take(shared, cx, now, want);
        let grants = ready!(taken)?;
        let limit = grants.limit(want);
        let polled = write_clock::poll_clamped(Pin::new(&mut self.io), cx, bufs, limit);
        let written = match &polled {
            Poll::Ready(Ok(written)) => *written,
            _ => 0,
        };
        self.write.settle(shared, grants, written);
        match polled {
            Poll::Ready(Ok(written)) => {
                self.write.moved(shared, written, now);
                shared.activity.write_done();
                self.write_clock.accepted(now, written, terms);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => self.write_pends(shared, cx, now).map(Err),
        }
    }

    pub(super) fn poll_flush(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.write_clock.flushed();
                shared.activity.write_done();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => {
                let now = shared.limiter.now();
                self.write_clock.before(now, Terms::of(&shared.settings));
                self.write_pends(shared, cx, now).map(Err)
            }
        }
    }

    pub(super) fn poll_shutdown(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Ready(Ok(())) => {
                self.write.hand_on(shared);
                self.write_clock.clear();
                shared.activity.write_done();
                shared.half_ended(Direction::Out);
                Poll::Ready(Ok(()))
            }
            // The peer has said everything and is gone: only our goodbye is lost.
            Poll::Ready(Err(error)) if shared.activity.has_ended(Direction::In) => {
                Poll::Ready(Err(error))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => {
                let now = shared.limiter.now();
                self.write_clock.before(now, Terms::of(&shared.settings));
                self.write_pends(shared, cx, now).map(Err)
            }
        }
    }

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

    /// Closes the stream in the manner of the connection's end, and counts the close.
    pub(super) fn close(mut self, shared: &Shared) {
        self.read.pacer.abandon(shared, Direction::In);
        self.write.pacer.abandon(shared, Direction::Out);
        self.read.hand_on(shared);
        self.write.hand_on(shared);
        let ending = shared.ending();
        let shut = shared.activity.has_ended(Direction::Out);
        let manner = manner(shared, ending, self.failed.is_some());
        let (failed, why) = self.failed.take().unzip();
        let unusable = shared.has_failed() || std::thread::panicking();
        let reason = failed
            .or(ending.and_then(Ending::close_reason))
            .or(unusable.then_some(CloseReason::Error))
            .unwrap_or(CloseReason::Eof);
        shared.limiter.leave(shared);
        // The end of this connection is what `Control::ended` waits for.
        shared.end_as(Ending::Closed);
        if shared.ending() == Some(Ending::Evicted) {
            self.permit.evicted();
        }
        shared.limiter.observer().closed(shared.backend, reason);
        event::closed(shared, reason, why.flatten().as_deref());
        linger::end(self.io, self.permit, &shared.limiter, manner, shut);
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
