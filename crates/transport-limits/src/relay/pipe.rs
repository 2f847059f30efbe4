//! One direction of a relay.
//!
//! It holds bytes only while the writer cannot take them.

use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite};

use super::leg::Leg;
use crate::budget::MemoryHold;
use crate::buffer::ReceiveBuffer;
use crate::clock::SharesReading;
use crate::control::Control;
use crate::read_buf;

/// Reads of one direction before the other direction and other tasks run.
///
/// A bulk read counts as several. It is well below half of the 128 operations after which tokio makes
/// a task yield.
const READS_PER_POLL: usize = 16;
/// Bytes of a bulk remainder over its free chunk.
///
/// The memory budget charges them.
const CHARGED: usize = read_buf::BULK_BYTES - read_buf::BYTES;

/// The two ends of a pipe.
pub(super) trait PipeEnds {
    type Reader: AsyncRead + Unpin;
    type Writer: AsyncWrite + Unpin;
    fn reader(&mut self) -> Pin<&mut Self::Reader>;
    fn writer(&mut self) -> Pin<&mut Self::Writer>;
    /// Returns the reader's handle, whose budget counts held bytes.
    fn guard(&self) -> Option<&Control>;
}

pub(super) struct TwoStreams<'a, R, W>(pub(super) &'a mut R, pub(super) &'a mut W);

impl<R: Leg, W: Leg> PipeEnds for TwoStreams<'_, R, W> {
    type Reader = R;
    type Writer = W;

    fn reader(&mut self) -> Pin<&mut R> {
        Pin::new(self.0)
    }

    fn writer(&mut self) -> Pin<&mut W> {
        Pin::new(self.1)
    }

    fn guard(&self) -> Option<&Control> {
        self.0.guard()
    }
}

pub(super) struct OneStream<'a, I>(pub(super) &'a mut I);

impl<I: Leg> PipeEnds for OneStream<'_, I> {
    type Reader = I;
    type Writer = I;

    fn reader(&mut self) -> Pin<&mut I> {
        Pin::new(self.0)
    }

    fn writer(&mut self) -> Pin<&mut I> {
        Pin::new(self.0)
    }

    fn guard(&self) -> Option<&Control> {
        self.0.guard()
    }
}

/// A failure of one end of the pipe.
#[derive(Debug)]
pub(super) enum PipeError {
    Read(io::Error),
    Write(io::Error),
}

#[derive(Debug, Default)]
enum PipeState {
    #[default]
    Copying,
    /// The reader has ended, and the writer is kept open.
    Held,
    /// The reader has ended; the writer is being shut down.
    Closing,
    /// The reader has failed; the writer still gets the bytes read before.
    Failing(io::Error),
    /// The writer accepts no more bytes; the reader's bytes are discarded.
    ///
    /// So a peer that writes all its bytes before it reads can still get the answer.
    Discarding,
    Done,
}

/// One direction of a relay.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    state: PipeState,
    /// Read bytes not yet taken by the writer.
    rest: Option<Box<Bytes>>,
    unflushed: bool,
    /// Whether the last read was large and is written.
    is_bulk: bool,
    /// Bytes written.
    pub(super) bytes: u64,
    /// Whether the writer stays open when the reader ends, until `release`.
    pub(super) hold: bool,
    /// Why the writer accepts no more bytes.
    pub(super) refused: Option<io::Error>,
}

impl Pipe {
    /// Creates a direction. With `hold`, its writer stays open until `release`.
    pub(super) fn new(hold: bool) -> Self {
        Self {
            hold,
            ..Self::default()
        }
    }

    /// Copies until the reader has ended and the writer is shut down.
    pub(super) fn poll<E: PipeEnds>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut E,
    ) -> Poll<Result<(), PipeError>> {
        let mut reads = 0;
        loop {
            match &mut self.state {
                PipeState::Copying => {
                    ready!(self.poll_rest(cx, ends)).map_err(PipeError::Write)?;
                    match self.poll_copy(cx, ends)? {
                        Poll::Ready(0) if self.hold => self.state = PipeState::Held,
                        Poll::Ready(0) => self.state = PipeState::Closing,
                        Poll::Ready(read) => {
                            reads += read.div_ceil(read_buf::BYTES);
                            if reads >= READS_PER_POLL {
                                cx.waker().wake_by_ref();
                                return Poll::Pending;
                            }
                        }
                        Poll::Pending if matches!(self.state, PipeState::Failing(_)) => {}
                        Poll::Pending => {
                            ready!(self.poll_flush(cx, ends))?;
                            return Poll::Pending;
                        }
                    }
                }
                PipeState::Held => {
                    ready!(self.poll_flush(cx, ends))?;
                    return Poll::Pending;
                }
                PipeState::Closing => {
                    ready!(self.poll_rest(cx, ends)).map_err(PipeError::Write)?;
                    let closed = ends.writer().poll_shutdown(cx);
                    ready!(closed).map_err(PipeError::Write)?;
                    self.state = PipeState::Done;
                }
                PipeState::Failing(_) => {
                    // The reader's failure is reported even if the writer fails too.
                    let _ = ready!(self.poll_rest(cx, ends));
                    let _ = ready!(self.poll_flush(cx, ends));
                    if let PipeState::Failing(error) =
                        std::mem::replace(&mut self.state, PipeState::Done)
                    {
                        return Poll::Ready(Err(PipeError::Read(error)));
                    }
                }
                PipeState::Discarding => match ready!(discard(cx, ends)) {
                    Ok(0) => self.state = PipeState::Done,
                    Ok(_) => {
                        reads += 1;
                        if reads >= READS_PER_POLL {
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                    }
                    Err(error) => return Poll::Ready(Err(PipeError::Read(error))),
                },
                PipeState::Done => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Discards the reader's bytes from now on: the writer accepts no more.
    pub(super) fn refuse(&mut self, error: io::Error) {
        self.rest = None;
        self.refused = Some(error);
        self.state = match self.state {
            PipeState::Copying => PipeState::Discarding,
            _ => PipeState::Done,
        };
    }

    /// Returns whether the writer is kept open with all bytes flushed.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.state, PipeState::Held) && !self.unflushed
    }

    /// Returns whether a poll that is pending waits for the reader.
    pub(super) fn is_reading(&self) -> bool {
        matches!(self.state, PipeState::Copying | PipeState::Discarding) && self.rest.is_none()
    }

    /// Returns whether the direction has ended.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, PipeState::Done)
    }

    /// Shuts down a writer that was kept open.
    pub(super) fn release(&mut self) {
        self.state = PipeState::Closing;
    }

    /// Returns whether the writer has not taken all read bytes.
    pub(super) fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    fn poll_flush<E: PipeEnds>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut E,
    ) -> Poll<Result<(), PipeError>> {
        if self.unflushed {
            let flushed = ends.writer().poll_flush(cx);
            ready!(flushed).map_err(PipeError::Write)?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the rest of an earlier read, if any.
    #[inline]
    fn poll_rest<E: PipeEnds>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut E,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_none() {
            return Poll::Ready(Ok(()));
        }
        self.poll_write_rest(cx, ends)
    }

    fn poll_write_rest<E: PipeEnds>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut E,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = &mut self.rest {
            let written = ready!(ends.writer().poll_write(cx, rest))?;
            rest.advance(written);
            if rest.is_empty() {
                self.rest = None;
            }
            self.wrote(written)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads into the thread's buffer and writes from it.
    ///
    /// It keeps a rest that the writer does not take.
    fn poll_copy<E: PipeEnds>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut E,
    ) -> Result<Poll<usize>, PipeError> {
        let most = if self.is_bulk && has_room(ends.guard()) {
            read_buf::BULK_BYTES
        } else {
            read_buf::BYTES
        };
        read_buf::with(most, |buf| {
            let _shares = SharesReading::start();
            match ends.reader().poll_read(cx, buf) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    self.state = PipeState::Failing(error);
                    return Ok(Poll::Pending);
                }
                Poll::Pending => return Ok(Poll::Pending),
            }
            let mut data = buf.filled();
            let read = data.len();
            self.is_bulk = read >= read_buf::BYTES;
            while !data.is_empty() {
                match ends.writer().poll_write(cx, data) {
                    Poll::Ready(result) => {
                        let written = result.map_err(PipeError::Write)?;
                        self.wrote(written).map_err(PipeError::Write)?;
                        data = &data[written..];
                    }
                    Poll::Pending => {
                        self.keep(data, ends.guard());
                        break;
                    }
                }
            }
            Ok(Poll::Ready(read))
        })
    }

    /// Keeps bytes that the writer has not taken.
    fn keep(&mut self, data: &[u8], reader: Option<&Control>) {
        self.is_bulk = false;
        let mut rest = ReceiveBuffer::new(read_buf::wipes());
        rest.extend(data, data.len());
        let hold = reader.map(|reader| {
            let (conn, budget) = (&reader.0, reader.0.core.budget());
            let free = data.len().min(read_buf::BYTES);
            let charged = data.len() - free;
            MemoryHold {
                counted: Some(budget.count(free)),
                charge: (charged != 0).then(|| budget.charge_found(conn.account(), charged)),
                ..MemoryHold::default()
            }
        });
        self.rest = Some(Box::new(rest.take(hold.unwrap_or_default())));
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

/// Returns whether the budget has room for a bulk remainder.
fn has_room(reader: Option<&Control>) -> bool {
    reader.is_some_and(|reader| {
        let conn = &reader.0;
        conn.core.budget().has_room(conn.account(), CHARGED)
    })
}

/// Reads and discards; returns 0 at the end of the stream.
fn discard<E: PipeEnds>(cx: &mut Context<'_>, ends: &mut E) -> Poll<io::Result<usize>> {
    read_buf::with(read_buf::BYTES, |buf| {
        let polled = ends.reader().poll_read(cx, buf);
        polled.map_ok(|()| buf.filled().len())
    })
}
