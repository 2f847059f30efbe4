//! The open stream of a guarded connection, and its operations.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{ready, Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use transport_core::{CloseReason, Direction, Io, Op, Reason, TransportError};

use super::half::StreamHalf;
use super::linger;
use super::write_clock::{self, PeerProgress, WriteClock, WriteTerms};
use crate::clock::duration;
use crate::conn_state::ConnState;
use crate::ending::{CloseMode, Ending};
use crate::event::ClosedConn;
use crate::permit::Permit;
use crate::registry::Registration;

pub(super) struct OpenStream<I> {
    pub(super) io: I,
    read: StreamHalf,
    write: StreamHalf,
    write_clock: WriteClock,
    /// The first failure of the stream, boxed because few streams have one.
    failed: Option<Box<StreamFailure>>,
    registration: Registration,
    permit: Permit,
}

/// A failure of a stream, in words if it has no reason.
struct StreamFailure(CloseReason, Option<Box<str>>);

impl<I: Io> OpenStream<I> {
    pub(super) fn new(io: I, permit: Permit, registration: Registration) -> Self {
        Self {
            io,
            read: StreamHalf::new(Direction::In),
            write: StreamHalf::new(Direction::Out),
            write_clock: WriteClock::default(),
            failed: None,
            registration,
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
        let before = buf.filled().len();
        let polled = if self.read.is_unlimited(conn) {
            Pin::new(&mut self.io).poll_read(cx, buf)
        } else {
            ready!(self.poll_read_at_rate(conn, cx, buf))?
        };
        let read = buf.filled().len() - before;
        match polled {
            Poll::Ready(Ok(())) => {
                if read == 0 {
                    conn.half_ended(Direction::In);
                } else {
                    self.read.moved(conn, read, conn.core.shared_now());
                    conn.paid(read as u64);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => {
                let owed = conn.read_deadline().map(|deadline| (deadline, Op::Read));
                let error = ready!(self.read.pend(conn, cx, owed));
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
        let now = conn.core.shared_now();
        let terms = WriteTerms::of(&conn.settings);
        self.write_clock.before(now, terms);
        let polled = if self.write.is_unlimited(conn) {
            write_clock::poll_clamped(Pin::new(&mut self.io), cx, bufs, want)
        } else {
            ready!(self.poll_write_at_rate(conn, cx, bufs, want))?
        };
        match polled {
            Poll::Ready(Ok(written)) => {
                self.write.moved(conn, written, now);
                conn.activity.write_done();
                self.write_clock.accepted(now, written, terms);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => self.write_pends(conn, cx, conn.core.now()).map(Err),
        }
    }

    /// Reads as many bytes as the rates allow.
    ///
    /// Ready with the result of the read once it has tokens.
    fn poll_read_at_rate(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Poll<io::Result<()>>>> {
        let (want, before) = (buf.remaining(), buf.filled().len());
        let grants = ready!(self.read.poll_take(conn, cx, want))?;
        let limit = grants.limit(want);
        let polled = if limit < want {
            let mut clamped = (&mut self.io).take(limit as u64);
            Pin::new(&mut clamped).poll_read(cx, buf)
        } else {
            Pin::new(&mut self.io).poll_read(cx, buf)
        };
        let read = buf.filled().len() - before;
        self.read.settle(conn, grants, read);
        Poll::Ready(Ok(polled))
    }

    /// Writes as many bytes as the rates allow.
    ///
    /// Ready with the result of the write once it has tokens.
    fn poll_write_at_rate(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
        want: usize,
    ) -> Poll<io::Result<Poll<io::Result<usize>>>> {
        let grants = ready!(self.write.poll_take(conn, cx, want))?;
        let limit = grants.limit(want);
        let polled = write_clock::poll_clamped(Pin::new(&mut self.io), cx, bufs, limit);
        let written = match &polled {
            Poll::Ready(Ok(written)) => *written,
            _ => 0,
        };
        self.write.settle(conn, grants, written);
        Poll::Ready(Ok(polled))
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
            Poll::Pending => self.flush_pends(conn, cx).map(Err),
        }
    }

    pub(super) fn poll_shutdown(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Ready(Ok(())) => {
                self.write.report(conn);
                self.write_clock.clear();
                conn.activity.write_done();
                conn.half_ended(Direction::Out);
                Poll::Ready(Ok(()))
            }
            // The peer has sent its end of stream and closed: only our end of stream is lost.
            Poll::Ready(Err(error)) if conn.activity.has_ended(Direction::In) => {
                Poll::Ready(Err(error))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => self.flush_pends(conn, cx).map(Err),
        }
    }

    /// Returns whether a flush may have an effect.
    ///
    /// It has one on the write clock of a peer that is slow.
    pub(super) fn needs_flush(&self) -> bool {
        self.write_clock.has_debt() || self.io.needs_flush()
    }

    /// Replaces the stream below; the counts, the deadlines and the place stay.
    pub(super) fn replace_io<J>(self, io: J) -> (I, OpenStream<J>) {
        let open = OpenStream {
            io,
            read: self.read,
            write: self.write,
            // It measures the progress of one stream.
            write_clock: WriteClock::default(),
            failed: self.failed,
            registration: self.registration,
            permit: self.permit,
        };
        (self.io, open)
    }

    /// Notes a failure of the stream; returns the transport's error.
    fn fail(&mut self, error: io::Error) -> io::Error {
        let error = TransportError::from(error);
        self.fail_as(&error);
        error.into()
    }

    /// Takes a place among the pending handshakes, for an upgrade.
    ///
    /// # Errors
    /// The limit of pending handshakes.
    pub(super) fn begin_handshake(&mut self, conn: &ConnState) -> Result<(), Reason> {
        self.permit.pend(conn.peer.as_ref())
    }

    /// Gives that place back.
    pub(super) fn end_handshake(&mut self) {
        self.permit.established();
    }

    pub(super) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Notes a failure that ends the connection, unless one came before.
    pub(super) fn fail_as(&mut self, error: &TransportError) {
        self.failed.get_or_insert_with(|| {
            let reason = error.close_reason();
            let in_words = reason == CloseReason::Error;
            let words = in_words.then(|| error.to_string().into());
            Box::new(StreamFailure(reason, words))
        });
    }

    /// Waits for the peer in a flush or shutdown.
    fn flush_pends(&mut self, conn: &ConnState, cx: &mut Context<'_>) -> Poll<io::Error> {
        let now = conn.core.now();
        self.write_clock.before(now, WriteTerms::of(&conn.settings));
        self.write_pends(conn, cx, now)
    }

    /// Waits for the peer in a write, flush or shutdown.
    fn write_pends(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
        mut now: u64,
    ) -> Poll<io::Error> {
        let terms = WriteTerms::of(&conn.settings);
        loop {
            let check_at = self.write_clock.pends(now, terms);
            conn.activity.write_waits(self.write_clock.ends(terms));
            if now < check_at {
                let timer = &mut self.write.timer;
                if timer.poll(&conn.core, check_at, cx).is_pending() {
                    break;
                }
                now = conn.core.now();
                continue;
            }
            match self.write_clock.check(now, self.io.taken(), terms) {
                PeerProgress::Over => return Poll::Ready(conn.expire(Op::Write).into()),
                PeerProgress::Moves => conn.activity.touch(now),
                PeerProgress::Waits => {}
            }
        }
        let ended = self.write.pend(conn, cx, None);
        ended.map(io::Error::from)
    }

    /// Closes the stream as its connection ended, and counts the close.
    pub(super) fn close(mut self, conn: &ConnState) {
        self.read.close(conn);
        self.write.close(conn);
        let ending = conn.ending();
        let shut = conn.activity.has_ended(Direction::Out);
        let mode = close_mode(conn, ending, self.failed.is_some());
        let failed = self.failed.take().map(|failed| *failed);
        let (failed, why) = failed.map(|failed| (failed.0, failed.1)).unzip();
        let unusable = conn.has_failed() || std::thread::panicking();
        let reason = failed
            .or(ending.and_then(Ending::close_reason))
            .or(unusable.then_some(CloseReason::Error))
            .unwrap_or(CloseReason::Eof);
        drop(self.registration);
        // Resolves `Control::ended`.
        conn.end_as(Ending::Closed);
        if conn.ending() == Some(Ending::Evicted) {
            self.permit.evicted();
        }
        conn.core.observer().closed(conn.backend(), reason);
        log_close(conn, reason, why.flatten().as_deref());
        linger::close(self.io, self.permit, &conn.core, mode, shut);
    }
}

fn log_close(conn: &ConnState, reason: CloseReason, error: Option<&str>) {
    let now = conn.core.now();
    let closed = ClosedConn {
        backend: conn.backend(),
        labels: conn.labels(),
        reason,
        age: duration(now.saturating_sub(conn.born)),
        bytes_in: conn.total(Direction::In),
        bytes_out: conn.total(Direction::Out),
        error,
    };
    conn.core.events().closed(now, &closed);
}

/// Decides how the peer sees the end.
fn close_mode(conn: &ConnState, ending: Option<Ending>, failed: bool) -> CloseMode {
    if failed || std::thread::panicking() {
        return CloseMode::Abort;
    }
    match ending {
        // A write was dropped while it waited.
        Some(Ending::Idle | Ending::HalfClose) if conn.activity.writing.load(Ordering::Relaxed) => {
            CloseMode::Abort
        }
        Some(ending) => ending.close_mode(),
        // The handler has sent its end of stream.
        None if conn.activity.has_ended(Direction::Out) => CloseMode::InOrder,
        // A write was dropped while it waited, or data of the connection was unusable.
        None if conn.has_failed() || conn.activity.writing.load(Ordering::Relaxed) => {
            CloseMode::Abort
        }
        None => CloseMode::InOrder,
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use tokio::io::DuplexStream;
    use transport_core::Plain;

    use super::*;

    /// Each leg of an idle pair holds both.
    ///
    /// With its counts and its lock, the stream of a TCP leg has 224 bytes.
    #[test]
    fn state_of_a_leg_is_small() {
        let stream = size_of::<OpenStream<Plain<DuplexStream>>>() - size_of::<DuplexStream>();
        assert!(stream <= 136, "{stream} bytes");
        let conn = size_of::<ConnState>();
        assert!(conn <= 304, "{conn} bytes");
    }
}
