//! Joins two guarded streams, or one to itself: half-close passed on, nothing held while idle.

use std::future::{poll_fn, Future};
use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, Instant, Sleep};
use transport_core::{Io, TransportError};

use crate::budget::attributed;
use crate::buffer::Buffer;
use crate::control::Control;
use crate::scratch;

/// Reads of one direction in a row: then it is the other direction's turn, and other tasks'. Well
/// below half of the 128 operations that tokio allows a task before it makes it yield.
const TURN: u32 = 16;

/// How long a stream that is not told of an end may be silent: several round trips of Tor, and longer
/// than what a slow circuit needs for the bytes that are under way on it.
const SILENCE: Duration = Duration::from_secs(15);

/// One of the two streams of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// How a relay went.
#[derive(Debug)]
pub struct Relayed {
    /// Bytes read from the first and written to the second stream.
    pub a_to_b: u64,
    /// Bytes read from the second and written to the first stream.
    pub b_to_a: u64,
    /// `Ok` when both ended in order, else the side that failed, and how.
    pub end: Result<(), (Side, TransportError)>,
}

/// Relays until both directions have ended or one side fails. Deadlines and pacing are those of
/// the streams; both are closed when it returns.
///
/// # Cancel safety
/// Dropping the future closes both streams.
pub async fn relay<A: Io, B: Io>(a: A, b: B) -> Relayed {
    join(a, b, None).await
}

/// As [`relay`], where who ends one direction of `b` ends both, as with a stream that was dialed over
/// Tor: that `a` has ended is kept from `b` for as long as it answers, and told once everything was
/// handed on and nothing has come back for 15 s. Otherwise an answer would be cut off. What `b` ends
/// is over at once. `control` is that of `b`: what its rate holds back is no silence.
///
/// # Cancel safety
/// Dropping the future closes both streams.
pub async fn relay_held<A: Io, B: Io>(a: A, b: B, control: &Control) -> Relayed {
    join(a, b, Some(control)).await
}

async fn join<A: Io, B: Io>(mut a: A, mut b: B, held: Option<&Control>) -> Relayed {
    let (mut there, mut back) = (Pipe::default(), Pipe::default());
    there.hold = held.is_some();
    let mut silence: Option<Silence> = None;
    let end = poll_fn(|cx| loop {
        let (a, b) = (&mut a, &mut b);
        let ab = match there.poll(cx, &mut Two(a, b)) {
            // `b` takes nothing any more; what it has sent is delivered all the same.
            Poll::Ready(Err(Failed::Write(_))) if held.is_some() => {
                there.state = State::Refused;
                Poll::Pending
            }
            ab => ab.map_err(|e| e.side(Side::A, Side::B))?,
        };
        let ba = back
            .poll(cx, &mut Two(b, a))
            .map_err(|e| e.side(Side::B, Side::A))?;
        let over = match held {
            None => ab.is_ready() && ba.is_ready(),
            // The end of either direction of `b` is the end of both.
            Some(_) => ab.is_ready() || ba.is_ready(),
        };
        if over {
            return Poll::Ready(Ok(()));
        }
        let Some(control) = held.filter(|_| there.state == State::Held && !there.unflushed) else {
            return Poll::Pending;
        };
        let silence = silence.get_or_insert_with(|| Silence::new(&back));
        ready!(silence.poll(cx, &back, control));
        there.state = State::Closing;
    })
    .await;
    Relayed {
        a_to_b: there.bytes,
        b_to_a: back.bytes,
        end,
    }
}

/// Waits until a direction has been silent for long.
struct Silence {
    seen: u64,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    fn new(of: &Pipe) -> Self {
        Self {
            seen: of.bytes,
            timer: Box::pin(sleep(SILENCE)),
        }
    }

    /// What the other side does not take, or a rate holds back, is no silence.
    fn poll(&mut self, cx: &mut Context<'_>, of: &Pipe, control: &Control) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if of.bytes == self.seen && of.rest.is_empty() && !control.is_throttled() {
                return Poll::Ready(());
            }
            self.seen = of.bytes;
            self.timer.as_mut().reset(Instant::now() + SILENCE);
        }
        Poll::Pending
    }
}

/// How an echo went.
#[derive(Debug)]
pub struct Echoed {
    /// Bytes sent back.
    pub bytes: u64,
    /// `Ok` when the peer ended in order and has everything back.
    pub end: Result<(), TransportError>,
}

/// Sends back what comes until the peer ends. Deadlines and pacing are those of the stream, which
/// is closed when it returns.
///
/// # Cancel safety
/// Dropping the future closes the stream.
pub async fn echo<I: Io>(mut io: I) -> Echoed {
    let mut pipe = Pipe::default();
    let end = poll_fn(|cx| pipe.poll(cx, &mut One(&mut io))).await;
    Echoed {
        bytes: pipe.bytes,
        end: end.map_err(|failed| failed.side(Side::A, Side::A).1),
    }
}

/// The two ends of a pipe.
trait Ends {
    type Reader: AsyncRead + Unpin;
    type Writer: AsyncWrite + Unpin;
    fn reader(&mut self) -> Pin<&mut Self::Reader>;
    fn writer(&mut self) -> Pin<&mut Self::Writer>;
}

struct Two<'a, R, W>(&'a mut R, &'a mut W);

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Ends for Two<'_, R, W> {
    type Reader = R;
    type Writer = W;

    fn reader(&mut self) -> Pin<&mut R> {
        Pin::new(self.0)
    }

    fn writer(&mut self) -> Pin<&mut W> {
        Pin::new(self.1)
    }
}

struct One<'a, I>(&'a mut I);

impl<I: AsyncRead + AsyncWrite + Unpin> Ends for One<'_, I> {
    type Reader = I;
    type Writer = I;

    fn reader(&mut self) -> Pin<&mut I> {
        Pin::new(self.0)
    }

    fn writer(&mut self) -> Pin<&mut I> {
        Pin::new(self.0)
    }
}

/// A failure, and which end of the pipe it came from.
enum Failed {
    Read(io::Error),
    Write(io::Error),
}

impl Failed {
    fn side(self, reader: Side, writer: Side) -> (Side, TransportError) {
        match self {
            Self::Read(error) => (reader, error.into()),
            Self::Write(error) => (writer, error.into()),
        }
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Copying,
    /// The reader has ended, and the writer is not told yet.
    Held,
    /// The writer takes nothing any more.
    Refused,
    /// The reader has ended; the writer is told.
    Closing,
    Done,
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    state: State,
    /// What was read and the writer did not take yet; unallocated most of the time.
    rest: Bytes,
    unflushed: bool,
    bytes: u64,
    /// The writer is not told of the reader's end by itself.
    hold: bool,
}

impl Pipe {
    fn poll<E: Ends>(&mut self, cx: &mut Context<'_>, ends: &mut E) -> Poll<Result<(), Failed>> {
        let mut reads = 0;
        loop {
            match self.state {
                State::Copying => {
                    ready!(self.poll_rest(cx, ends)).map_err(Failed::Write)?;
                    match self.poll_copy(cx, ends)? {
                        Poll::Ready(0) if self.hold => self.state = State::Held,
                        Poll::Ready(0) => self.state = State::Closing,
                        Poll::Ready(_) => {
                            reads += 1;
                            if reads == TURN {
                                cx.waker().wake_by_ref();
                                return Poll::Pending;
                            }
                        }
                        Poll::Pending => {
                            ready!(self.poll_flush(cx, ends))?;
                            return Poll::Pending;
                        }
                    }
                }
                State::Refused => return Poll::Pending,
                State::Held => {
                    ready!(self.poll_flush(cx, ends))?;
                    return Poll::Pending;
                }
                State::Closing => {
                    let closed = ends.writer().poll_shutdown(cx);
                    ready!(closed).map_err(Failed::Write)?;
                    self.state = State::Done;
                }
                State::Done => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_flush<E: Ends>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut E,
    ) -> Poll<Result<(), Failed>> {
        if self.unflushed {
            let flushed = ends.writer().poll_flush(cx);
            ready!(flushed).map_err(Failed::Write)?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what an earlier read left over.
    fn poll_rest<E: Ends>(&mut self, cx: &mut Context<'_>, ends: &mut E) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            let written = ready!(ends.writer().poll_write(cx, &self.rest))?;
            self.wrote(written)?;
            self.rest.advance(written);
        }
        self.rest = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Reads into the thread's buffer and writes straight on; a writer that takes less leaves
    /// the rest here.
    fn poll_copy<E: Ends>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut E,
    ) -> Result<Poll<usize>, Failed> {
        scratch::with(scratch::BYTES, |buf| {
            let (polled, reader) = attributed(|| ends.reader().poll_read(cx, buf));
            match polled {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(Failed::Read(error)),
                Poll::Pending => return Ok(Poll::Pending),
            }
            let mut data = buf.filled();
            let read = data.len();
            while !data.is_empty() {
                match ends.writer().poll_write(cx, data) {
                    Poll::Ready(result) => {
                        let written = result.map_err(Failed::Write)?;
                        self.wrote(written).map_err(Failed::Write)?;
                        data = &data[written..];
                    }
                    Poll::Pending => {
                        let mut rest = Buffer::new(scratch::wipes());
                        rest.extend(data, data.len());
                        let counted = reader.map(|from| from.limiter.budget().count(data.len()));
                        self.rest = rest.take(counted.map(Into::into).unwrap_or_default());
                        break;
                    }
                }
            }
            Ok(Poll::Ready(read))
        })
    }

    fn wrote(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes += written as u64;
        self.unflushed = true;
        Ok(())
    }
}
