//! The open stream of a guarded connection, and its operations.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{ready, Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use transport_core::{CloseReason, Direction, Io, Op, TransportError};

use super::half::StreamHalf;
use super::linger;
use super::write_clock::{self, WriteClock, WriteProgress, WriteTerms};
use crate::admission::Permit;
use crate::conn_state::ConnState;
use crate::ending::{CloseMode, Ending};
use crate::event;

pub(super) struct OpenStream<I> {
    pub(super) io: I,
    read: StreamHalf,
    write: StreamHalf,
    write_clock: WriteClock,
    /// The first failure that the stream itself reported, in words where the reason has none.
    failed: Option<(CloseReason, Option<Box<str>>)>,
    permit: Permit,
}

impl<I: Io> OpenStream<I> {
    pub(super) fn new(io: I, permit: Permit) -> Self {
        Self {
            io,
            read: StreamHalf::new(Direction::In),
            write: StreamHalf::new(Direction::Out),
            write_clock: WriteClock::default(),
            failed: None,
            permit,
        }
    }

    pub(super) fn poll_read(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let want = buf.remaining();
        if want == 0 {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let now = conn.limiter.now();
        let grants = ready!(self.read.poll_take(conn, cx, now, want))?;
        let before = buf.filled().len();
        let limit = grants.limit(want);
        let polled = if limit < want {
            let mut clamped = (&mut self.io).take(limit as u64);
            Pin::new(&mut clamped).poll_read(cx, buf)
        } else {
            Pin::new(&mut self.io).poll_read(cx, buf)
        };
        let read = buf.filled().len() - before;
        self.read.settle(conn, grants, read);
        match polled {
            Poll::Ready(Ok(())) => {
                if read == 0 {
                    conn.half_ended(Direction::In);
                } else {
                    self.read.moved(conn, read, now);
                    conn.paid(read as u64);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => {
                let owed = conn.read_deadline().map(|deadline| (deadline, Op::Read));
                let error = ready!(self.read.pend(conn, cx, now, owed));
                Poll::Ready(Err(error.into()))
            }
        }
    }

    pub(super) fn poll_write(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let want = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if want == 0 {
            return Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        }
        let now = conn.limiter.now();
        let terms = WriteTerms::of(&conn.settings);
        self.write_clock.before(now, terms);
        let taken = self.write.poll_take(conn, cx, now, want);
        let grants = ready!(taken)?;
        let limit = grants.limit(want);
        let polled = write_clock::poll_clamped(Pin::new(&mut self.io), cx, bufs, limit);
        let written = match &polled {
            Poll::Ready(Ok(written)) => *written,
            _ => 0,
        };
        self.write.settle(conn, grants, written);
        match polled {
            Poll::Ready(Ok(written)) => {
                self.write.moved(conn, written, now);
                conn.activity.write_done();
                self.write_clock.accepted(now, written, terms);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => self.write_pends(conn, cx, now).map(Err),
        }
    }

    pub(super) fn poll_flush(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.write_clock.flushed();
                conn.activity.write_done();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => {
                let now = conn.limiter.now();
                self.write_clock.before(now, WriteTerms::of(&conn.settings));
                self.write_pends(conn, cx, now).map(Err)
            }
        }
    }

    pub(super) fn poll_shutdown(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Ready(Ok(())) => {
                self.write.hand_on(conn);
                self.write_clock.clear();
                conn.activity.write_done();
                conn.half_ended(Direction::Out);
                Poll::Ready(Ok(()))
            }
            // The peer has said everything and is gone: only our goodbye is lost.
            Poll::Ready(Err(error)) if conn.activity.has_ended(Direction::In) => {
                Poll::Ready(Err(error))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => {
                let now = conn.limiter.now();
                self.write_clock.before(now, WriteTerms::of(&conn.settings));
                self.write_pends(conn, cx, now).map(Err)
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
        conn: &ConnState,
        cx: &mut Context<'_>,
        mut now: u64,
    ) -> Poll<io::Error> {
        let terms = WriteTerms::of(&conn.settings);
        loop {
            let look_at = self.write_clock.pends(now, terms);
            conn.activity.write_waits(self.write_clock.ends(terms));
            if now < look_at {
                let timer = &mut self.write.timer;
                if timer.poll(&conn.limiter, look_at, cx).is_pending() {
                    break;
                }
                now = conn.limiter.now();
                continue;
            }
            match self.write_clock.look(now, self.io.taken(), terms) {
                WriteProgress::Over => return Poll::Ready(conn.expire(Op::Write).into()),
                WriteProgress::Moves => conn.activity.touch(now),
                WriteProgress::Waits => {}
            }
        }
        let ended = self.write.pend(conn, cx, now, None);
        ended.map(io::Error::from)
    }

    /// Closes the stream in the manner of the connection's end, and counts the close.
    pub(super) fn close(mut self, conn: &ConnState) {
        self.read.throttler.abandon(conn, Direction::In);
        self.write.throttler.abandon(conn, Direction::Out);
        self.read.hand_on(conn);
        self.write.hand_on(conn);
        let ending = conn.ending();
        let shut = conn.activity.has_ended(Direction::Out);
        let manner = close_mode(conn, ending, self.failed.is_some());
        let (failed, why) = self.failed.take().unzip();
        let unusable = conn.has_failed() || std::thread::panicking();
        let reason = failed
            .or(ending.and_then(Ending::close_reason))
            .or(unusable.then_some(CloseReason::Error))
            .unwrap_or(CloseReason::Eof);
        conn.limiter.leave(conn);
        // The end of this connection is what `Control::ended` waits for.
        conn.end_as(Ending::Closed);
        if conn.ending() == Some(Ending::Evicted) {
            self.permit.evicted();
        }
        conn.limiter.observer().closed(conn.backend, reason);
        event::closed(conn, reason, why.flatten().as_deref());
        linger::end(self.io, self.permit, &conn.limiter, manner, shut);
    }
}

/// Decides how the peer sees the end.
fn close_mode(conn: &ConnState, ending: Option<Ending>, failed: bool) -> CloseMode {
    if failed || std::thread::panicking() {
        return CloseMode::Abort;
    }
    match ending {
        // A write was given up while it waited.
        Some(Ending::Idle | Ending::HalfClose) if conn.activity.writing.load(Ordering::Relaxed) => {
            CloseMode::Abort
        }
        Some(ending) => ending.close_mode(),
        // The handler has said its last word, whatever came over the connection.
        None if conn.activity.has_ended(Direction::Out) => CloseMode::InOrder,
        // A write was given up while it waited, or the connection could not be used.
        None if conn.has_failed() || conn.activity.writing.load(Ordering::Relaxed) => {
            CloseMode::Abort
        }
        None => CloseMode::InOrder,
    }
}
