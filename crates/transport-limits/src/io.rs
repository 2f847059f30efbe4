//! `GuardedIo`: a stream with deadlines, pacing, exact byte counts and cancellation.

mod pace;
mod timer;
mod write;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use transport_core::{CloseReason, Direction, Io, Op, TransportError};

use crate::admission::Permit;
use crate::budget::note_reader;
use crate::control::Control;
use crate::event;
use crate::shared::Shared;
use pace::Pacer;
use timer::Timer;
use write::WriteClock;

/// A byte-count delta is handed to the observer when it reaches this many bytes, and whenever
/// an operation pends.
const HAND_ON_BYTES: u64 = 256 << 10;
/// One operation in this many has its size sampled.
const SAMPLE_EVERY: u32 = 64;

/// One direction's private state: what no other task needs to see.
#[derive(Debug)]
struct Half {
    direction: Direction,
    timer: Timer,
    pacer: Pacer,
    /// Bytes counted and not yet handed to the observer.
    delta: u64,
    ops: u32,
}

impl Half {
    const fn new(direction: Direction) -> Self {
        Self {
            direction,
            timer: Timer::new(),
            pacer: Pacer::new(),
            delta: 0,
            ops: 0,
        }
    }

    /// Counts bytes that moved.
    fn moved(&mut self, shared: &Shared, bytes: usize, now: u64) {
        shared.moved(self.direction, bytes as u64, now);
        if self.ops % SAMPLE_EVERY == 0 {
            shared
                .limiter
                .observer()
                .io_size(shared.backend, self.direction, bytes);
        }
        self.ops = self.ops.wrapping_add(1);
        self.delta += bytes as u64;
        if self.delta >= HAND_ON_BYTES {
            self.hand_on(shared);
        }
    }

    fn hand_on(&mut self, shared: &Shared) {
        if self.delta != 0 {
            let delta = std::mem::take(&mut self.delta);
            shared
                .limiter
                .observer()
                .bytes(shared.backend, self.direction, delta);
        }
    }

    /// What every pending operation does: be found by a cancel, and be woken by the nearest of
    /// its own deadline and the connection's.
    fn pend(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
        mut now: u64,
        own: Option<(u64, Op)>,
    ) -> Poll<TransportError> {
        self.hand_on(shared);
        shared.register(self.direction, cx.waker());
        // Looked at again after registering: a cancel in between would be missed.
        if let Some(error) = shared.end() {
            return Poll::Ready(error);
        }
        loop {
            let life = shared.end_of_life();
            let (deadline, op) = match own {
                Some(own) if own.0 <= life.0 => own,
                _ => life,
            };
            if deadline <= now {
                let error = TransportError::Timeout { op };
                shared.end_with(&error);
                return Poll::Ready(shared.end().unwrap_or(error));
            }
            ready!(self.timer.poll(&shared.limiter, deadline, cx));
            now = shared.limiter.now();
        }
    }
}

/// A guarded stream. Its deadlines fire through the task that polled it last; what nobody polls
/// is ended by [`Control::ended`].
pub struct GuardedIo<I: Io> {
    // First, so that the socket is closed before the permit is given back.
    io: I,
    shared: Arc<Shared>,
    /// Boxed, since futures that hold the stream are moved and copied into each other.
    state: Box<State>,
}

struct State {
    read: Half,
    write: Half,
    write_clock: WriteClock,
    /// The first failure that the stream itself reported, in words where the reason has none.
    failed: Option<(CloseReason, Option<Box<str>>)>,
    _permit: Permit,
}

impl<I: Io> GuardedIo<I> {
    pub(crate) fn new(io: I, shared: Shared, permit: Permit) -> Self {
        let shared = Arc::new(shared);
        shared.limiter.enter(&shared);
        let state = Box::new(State {
            read: Half::new(Direction::In),
            write: Half::new(Direction::Out),
            write_clock: WriteClock::default(),
            failed: None,
            _permit: permit,
        });
        Self { io, shared, state }
    }

    /// The handle that cancels, counts and says what is owed.
    pub fn control(&self) -> Control {
        Control(Arc::clone(&self.shared))
    }

    /// Takes note of a failure of the stream and makes it the transport's.
    fn fail(&mut self, error: io::Error) -> io::Error {
        let error = TransportError::from(error);
        self.state.failed.get_or_insert_with(|| {
            let reason = error.close_reason();
            let in_words = reason == CloseReason::Error;
            (reason, in_words.then(|| error.to_string().into()))
        });
        error.into()
    }

    fn check_end(&self) -> io::Result<()> {
        self.shared.end().map_or(Ok(()), |error| Err(error.into()))
    }
}

impl<I: Io> std::fmt::Debug for GuardedIo<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedIo")
            .field("id", &self.shared.id)
            .finish_non_exhaustive()
    }
}

impl<I: Io> AsyncRead for GuardedIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.check_end()?;
        let want = buf.remaining();
        if want == 0 {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let shared = &*this.shared;
        let now = shared.limiter.now();
        let grants = ready!(this.state.read.poll_take(shared, cx, now, want))?;
        let before = buf.filled().len();
        let limit = grants.limit(want);
        let polled = if limit < want {
            let mut clamped = (&mut this.io).take(limit as u64);
            Pin::new(&mut clamped).poll_read(cx, buf)
        } else {
            Pin::new(&mut this.io).poll_read(cx, buf)
        };
        let read = buf.filled().len() - before;
        this.state.read.settle(shared, grants, read);
        match polled {
            Poll::Ready(Ok(())) => {
                if read != 0 {
                    note_reader(&this.shared);
                    this.state.read.moved(shared, read, now);
                    shared.paid(read as u64);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(this.fail(error))),
            Poll::Pending => {
                let owed = shared.read_deadline().map(|deadline| (deadline, Op::Read));
                let error = ready!(this.state.read.pend(shared, cx, now, owed));
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
        let this = &mut *self;
        this.check_end()?;
        let want = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if want == 0 {
            return Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        }
        let shared = &*this.shared;
        let now = shared.limiter.now();
        this.state.write_clock.before(now, shared.settings.write);
        let taken = this.state.write.poll_take(shared, cx, now, want);
        let grants = ready!(taken)?;
        let waited = this.state.write.pacer.waited();
        this.state.write_clock.shift(waited);
        let limit = grants.limit(want);
        let polled = write::poll_clamped(Pin::new(&mut this.io), cx, bufs, limit);
        let written = match &polled {
            Poll::Ready(Ok(written)) => *written,
            _ => 0,
        };
        this.state.write.settle(shared, grants, written);
        match polled {
            Poll::Ready(Ok(written)) => {
                this.state.write.moved(shared, written, now);
                if this
                    .state
                    .write_clock
                    .accepted(written, limit, shared.settings.chunk)
                {
                    // Everything offered was taken on a slow stream: is it through as well?
                    if Pin::new(&mut this.io).poll_flush(cx).is_ready() {
                        this.state.write_clock.clear();
                    }
                }
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(this.fail(error))),
            Poll::Pending => this.write_pends(cx, now).map(Err),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_end()?;
        match Pin::new(&mut self.io).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.state.write_clock.clear();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending => {
                let now = self.shared.limiter.now();
                self.write_pends(cx, now).map(Err)
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.check_end()?;
        match Pin::new(&mut this.io).poll_shutdown(cx) {
            Poll::Ready(Ok(())) => {
                this.state.write.hand_on(&this.shared);
                this.state.write_clock.clear();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(this.fail(error))),
            Poll::Pending => {
                let now = this.shared.limiter.now();
                this.write_pends(cx, now).map(Err)
            }
        }
    }
}

impl<I: Io> GuardedIo<I> {
    /// A write, flush or shutdown that waits for the peer.
    fn write_pends(&mut self, cx: &mut Context<'_>, now: u64) -> Poll<io::Error> {
        let shared = &*self.shared;
        let since = self.state.write_clock.pends(now);
        let deadline = since.saturating_add(shared.settings.write);
        self.state
            .write
            .pend(shared, cx, now, Some((deadline, Op::Write)))
            .map(io::Error::from)
    }
}

impl<I: Io> Drop for GuardedIo<I> {
    fn drop(&mut self) {
        let shared = &*self.shared;
        self.state.read.pacer.abandon(shared, Direction::In);
        self.state.write.pacer.abandon(shared, Direction::Out);
        self.state.read.hand_on(shared);
        self.state.write.hand_on(shared);
        let ended = shared.end().map(|error| error.close_reason());
        let failed = shared.has_failed() || std::thread::panicking();
        let unusable = failed.then_some(CloseReason::Error);
        let (failed, why) = self.state.failed.take().unzip();
        let reason = failed.or(ended).or(unusable);
        let reason = reason.unwrap_or(CloseReason::Eof);
        shared.limiter.leave(shared.id);
        // Whoever waits for the end of this connection waits no longer.
        shared.end_with(&TransportError::Closed);
        shared.limiter.observer().closed(shared.backend, reason);
        event::closed(shared, reason, why.flatten().as_deref());
    }
}
