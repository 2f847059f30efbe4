//! One end of a simulated connection.

use std::future::{poll_fn, Future};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{ready, Context, Poll, Waker};
use std::time::Duration;

use ron_transport::{Io, Taken};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{sleep, sleep_until, Instant, Sleep};

use super::pipe::{Found, PipeState};
use super::watch::{PlaceWatch, StreamWatch};
use crate::rng::SimRng;
use crate::script::Wire;

/// One direction, shared by both ends.
#[derive(Debug, Clone)]
pub(crate) struct WireSide(Arc<Mutex<PipeState>>);

impl WireSide {
    fn lock(&self) -> MutexGuard<'_, PipeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the bytes read at the far end.
    ///
    /// Also whether no further byte fits.
    pub(crate) fn progress(&self) -> (u64, bool) {
        let pipe = self.lock();
        (pipe.taken, pipe.room() == 0)
    }

    /// Delivers nothing for a while.
    pub(crate) fn stall(&self, time: Duration) {
        self.lock().stall(Instant::now() + time);
    }

    /// Wakes the reader, perhaps late.
    fn wake_reader(&self) {
        let mut pipe = self.lock();
        let waker = pipe.reader.take();
        wake(&mut pipe, waker);
        if let Some(waiter) = pipe.reset_waiter.take() {
            waiter.wake();
        }
    }

    fn wake_writer(&self) {
        let mut pipe = self.lock();
        let waker = pipe.writer.take();
        wake(&mut pipe, waker);
    }
}

/// Wakes a task at once, or some milliseconds later.
///
/// So readiness changes its order.
#[allow(clippy::disallowed_methods)] // Tasks of the network are not those of the transport.
fn wake(pipe: &mut PipeState, waker: Option<Waker>) {
    let Some(waker) = waker else { return };
    let late = pipe.wire.late;
    if late != 0 && pipe.rng.chance(late) && tokio::runtime::Handle::try_current().is_ok() {
        let time = Duration::from_millis(pipe.rng.range(1, 3));
        tokio::spawn(async move {
            sleep(time).await;
            waker.wake();
        });
    } else {
        waker.wake();
    }
}

/// One end of a simulated connection.
#[derive(Debug)]
pub(crate) struct SimIo {
    incoming: WireSide,
    outgoing: WireSide,
    timer: Pin<Box<Sleep>>,
    /// Whether this end has ended its direction.
    ended: bool,
    aborted: bool,
    reports_taken: bool,
    /// Counts the bytes of the transport's end; `None` for the far end.
    tally: Option<Box<dyn StreamWatch>>,
    // Last, so that the stream is closed before its place is free.
    place: Option<Box<dyn PlaceWatch>>,
}

impl SimIo {
    /// Keeps the place of the connection until the stream is dropped.
    pub(crate) fn hold_place(&mut self, place: Box<dyn PlaceWatch>) {
        self.place = Some(place);
    }

    /// Creates both ends; the second one belongs to the transport.
    pub(crate) fn pair(
        wire: Wire,
        rng: &mut SimRng,
        reports_taken: bool,
        tally: Box<dyn StreamWatch>,
    ) -> (Self, Self) {
        let side = |rng: SimRng| WireSide(Arc::new(Mutex::new(PipeState::new(wire, rng))));
        let (there, back) = (side(rng.fork()), side(rng.fork()));
        let end = |incoming: &WireSide, outgoing: &WireSide, tally| Self {
            incoming: incoming.clone(),
            outgoing: outgoing.clone(),
            timer: Box::pin(sleep(Duration::ZERO)),
            ended: false,
            aborted: false,
            reports_taken,
            tally,
            place: None,
        };
        (end(&back, &there, None), end(&there, &back, Some(tally)))
    }

    /// Returns both directions, to stall them.
    pub(crate) fn sides(&self) -> [WireSide; 2] {
        [self.incoming.clone(), self.outgoing.clone()]
    }

    /// Accepts no further byte; the other end's writes fail.
    pub(crate) fn shut_read(&self) {
        self.incoming.lock().deaf = true;
        self.incoming.wake_writer();
    }

    fn receive(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(0));
        }
        loop {
            let mut pipe = self.incoming.lock();
            let late = pipe.wire.late;
            if late != 0 && pipe.rng.chance(late / 2) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match pipe.receive(Instant::now(), buf) {
                Found::Bytes(bytes) => {
                    drop(pipe);
                    self.incoming.wake_writer();
                    return Poll::Ready(Ok(bytes));
                }
                Found::End => return Poll::Ready(Ok(0)),
                Found::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Found::Nothing(until) => {
                    pipe.reader = Some(cx.waker().clone());
                    let Some(until) = until else {
                        return Poll::Pending;
                    };
                    drop(pipe);
                    self.timer.as_mut().reset(until);
                    ready!(self.timer.as_mut().poll(cx));
                }
            }
        }
    }

    fn is_reset(&self) -> bool {
        let reset = self.incoming.lock().reset;
        reset.is_some_and(|at| at <= Instant::now())
    }
}

impl Io for SimIo {
    fn abort(&mut self) {
        if !self.aborted {
            self.aborted = true;
            self.outgoing.lock().reset(Instant::now());
            self.outgoing.wake_reader();
            if let Some(tally) = &self.tally {
                tally.aborted();
            }
        }
    }

    fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.receive(cx, buf).map_ok(|_| ())
    }

    fn has_sent_all(&mut self) -> bool {
        self.outgoing.lock().has_arrived(Instant::now())
    }

    fn taken(&mut self) -> Option<Taken> {
        self.reports_taken
            .then(|| Taken::Read(self.outgoing.lock().taken))
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let side = self.incoming.clone();
        Box::pin(async move {
            let at = poll_fn(|cx| {
                let mut pipe = side.lock();
                match pipe.reset {
                    Some(at) => Poll::Ready(at),
                    None => {
                        pipe.reset_waiter = Some(cx.waker().clone());
                        Poll::Pending
                    }
                }
            });
            let at = at.await;
            sleep_until(at).await;
        })
    }
}

impl AsyncRead for SimIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = ready!(self.receive(cx, buf));
        if let Some(tally) = &self.tally {
            match &result {
                Ok(0) if buf.remaining() != 0 => tally.read_end(),
                Ok(bytes) => tally.read(*bytes),
                Err(_) => {}
            }
        }
        Poll::Ready(result.map(|_| ()))
    }
}

impl AsyncWrite for SimIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut pipe = self.outgoing.lock();
        if self.ended || self.aborted || pipe.deaf || self.is_reset() {
            if let Some(tally) = &self.tally {
                tally.write_failed();
            }
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let sent = pipe.send(Instant::now(), buf);
        if sent == 0 {
            pipe.writer = Some(cx.waker().clone());
            let taken = pipe.taken;
            drop(pipe);
            if let Some(tally) = &self.tally {
                tally.write_waits(taken);
            }
            return Poll::Pending;
        }
        drop(pipe);
        self.outgoing.wake_reader();
        if let Some(tally) = &self.tally {
            tally.wrote(sent);
        }
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended && !self.aborted {
            self.ended = true;
            self.outgoing.lock().end(Instant::now());
            self.outgoing.wake_reader();
            if let Some(tally) = &self.tally {
                tally.ended();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimIo {
    fn drop(&mut self) {
        let now = Instant::now();
        let unread = {
            let mut incoming = self.incoming.lock();
            incoming.deaf = true;
            incoming.has_unread()
        };
        // A socket that is closed with unread bytes resets the connection (RFC 1122, 4.2.2.13).
        if unread || self.aborted {
            self.outgoing.lock().reset(now);
        } else if !self.ended {
            self.outgoing.lock().end(now);
        }
        self.incoming.wake_writer();
        self.outgoing.wake_reader();
    }
}
