//! Joins two guarded streams: bytes both ways, half-close passed on, nothing held while idle.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::{Io, TransportError};

use crate::scratch;

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
pub async fn relay<A: Io, B: Io>(mut a: A, mut b: B) -> Relayed {
    let (mut there, mut back) = (Pipe::default(), Pipe::default());
    let end = poll_fn(|cx| {
        let (a, b) = (&mut a, &mut b);
        let there = there
            .poll(cx, a, b)
            .map_err(|failed| failed.side(Side::A, Side::B))?;
        let back = back
            .poll(cx, b, a)
            .map_err(|failed| failed.side(Side::B, Side::A))?;
        if there.is_ready() && back.is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    })
    .await;
    Relayed {
        a_to_b: there.bytes,
        b_to_a: back.bytes,
        end,
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
    /// The reader has ended; the writer is told.
    Closing,
    Done,
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    state: State,
    /// What was read and the writer did not take yet; unallocated most of the time.
    rest: BytesMut,
    unflushed: bool,
    bytes: u64,
}

impl Pipe {
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<Result<(), Failed>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            match self.state {
                State::Copying => {
                    ready!(self.poll_rest(cx, writer)).map_err(Failed::Write)?;
                    match self.poll_copy(cx, reader, writer)? {
                        Poll::Ready(0) => self.state = State::Closing,
                        Poll::Ready(_) => {}
                        Poll::Pending => {
                            if self.unflushed {
                                let flushed = Pin::new(&mut *writer).poll_flush(cx);
                                ready!(flushed).map_err(Failed::Write)?;
                                self.unflushed = false;
                            }
                            return Poll::Pending;
                        }
                    }
                }
                State::Closing => {
                    let closed = Pin::new(&mut *writer).poll_shutdown(cx);
                    ready!(closed).map_err(Failed::Write)?;
                    self.state = State::Done;
                }
                State::Done => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Writes what an earlier read left over.
    fn poll_rest<W>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        while !self.rest.is_empty() {
            let written = ready!(Pin::new(&mut *writer).poll_write(cx, &self.rest))?;
            self.wrote(written)?;
            self.rest.advance(written);
        }
        self.rest = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Reads into the thread's buffer and writes straight on; a writer that takes less leaves
    /// the rest here.
    fn poll_copy<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Result<Poll<usize>, Failed>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        scratch::with(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            match Pin::new(reader).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(Failed::Read(error)),
                Poll::Pending => return Ok(Poll::Pending),
            }
            let mut data = buf.filled();
            let read = data.len();
            while !data.is_empty() {
                match Pin::new(&mut *writer).poll_write(cx, data) {
                    Poll::Ready(result) => {
                        let written = result.map_err(Failed::Write)?;
                        self.wrote(written).map_err(Failed::Write)?;
                        data = &data[written..];
                    }
                    Poll::Pending => {
                        self.rest = BytesMut::from(data);
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
