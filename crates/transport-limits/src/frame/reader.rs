//! Reads frames, whole or in chunks.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use transport_core::{Direction, TransportError};

use crate::buffer::ReceiveBuffer;
use crate::control::Control;
use crate::read_buf;

use super::memory::FrameMemory;

/// Size of the length prefix in bytes.
pub(super) const HEADER: usize = 4;

/// A piece of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk {
    /// Length of the whole frame in bytes.
    pub frame_len: usize,
    /// Offset of this piece in the frame.
    pub offset: usize,
    /// The bytes of the piece; empty only for an empty frame.
    pub bytes: Bytes,
}

impl Chunk {
    /// Returns whether the frame ends with this piece.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.offset + self.bytes.len() == self.frame_len
    }
}

/// The frame that is currently read.
#[derive(Debug, Clone, Copy)]
struct PartialFrame {
    len: usize,
    /// Arrived bytes.
    got: usize,
    /// Bytes returned to the handler.
    returned: usize,
    /// Whether the peer owes the current chunk: a read asked for it.
    ///
    /// Pauses of the reader between chunks do not count against the peer.
    owing: bool,
}

/// Reads frames of a guarded stream.
///
/// A length over `max_frame_bytes` is refused before a byte of the body is read or reserved. Every
/// chunk must be complete within `read_timeout` of its beginning.
///
/// Frames count towards `memory_bytes` until the last clone of their bytes is dropped. One frame of
/// up to `chunk_bytes` at a time is free. While the connection's peer holds its share, or no memory
/// is free, reads wait, and only the lifetime deadline runs. A handler that keeps frames should copy
/// them.
#[derive(Debug)]
pub struct FrameReader<R> {
    io: R,
    control: Control,
    header: [u8; HEADER],
    header_len: usize,
    body: Option<PartialFrame>,
    buffer: ReceiveBuffer,
    room: FrameMemory,
    /// Whether a read has failed. The position in the stream is then unknown.
    failed: bool,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(io: R, control: Control) -> Self {
        let buffer = ReceiveBuffer::new(control.0.settings.amnesia);
        Self {
            io,
            control,
            header: [0; HEADER],
            header_len: 0,
            body: None,
            buffer,
            room: FrameMemory::default(),
            failed: false,
        }
    }

    /// Reads a whole frame, or `None` at the end of the stream.
    ///
    /// # Errors
    /// [`TransportError::TooLarge`], [`TransportError::FrameTruncated`], a deadline, or the
    /// stream's failure. Every later call returns [`TransportError::Closed`].
    ///
    /// # Cancel safety
    /// Cancel-safe: arrived bytes stay for the next call.
    pub async fn read_frame(&mut self) -> Result<Option<Bytes>, TransportError> {
        poll_fn(|cx| self.poll_until(cx, usize::MAX)).await?;
        Ok(self.take_chunk().map(|chunk| chunk.bytes))
    }

    /// Reads the next piece of a frame, or `None` at the end.
    ///
    /// A piece has at most `chunk_bytes`.
    ///
    /// # Errors
    /// As [`read_frame`](Self::read_frame).
    ///
    /// # Cancel safety
    /// Cancel-safe: arrived bytes stay for the next call.
    pub async fn read_chunk(&mut self) -> Result<Option<Chunk>, TransportError> {
        let chunk = self.control.0.settings.chunk;
        poll_fn(|cx| self.poll_until(cx, chunk)).await?;
        Ok(self.take_chunk())
    }

    /// Ready when the buffer holds `most` bytes or the frame's rest.
    ///
    /// It is also ready at the end of the stream.
    fn poll_until(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Result<(), TransportError>> {
        if self.failed {
            return Poll::Ready(Err(TransportError::Closed));
        }
        let polled = self.poll_frame(cx, most);
        self.failed = matches!(polled, Poll::Ready(Err(_)));
        polled
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Result<(), TransportError>> {
        loop {
            let Some(body) = self.body else {
                if self.header_len == HEADER {
                    self.begin()?;
                    continue;
                }
                if ready!(self.poll_header(cx))? == 0 {
                    return Poll::Ready(Ok(()));
                }
                continue;
            };
            if body.got == body.len || self.buffer.len() >= most {
                return Poll::Ready(Ok(()));
            }
            let goal = (body.len - body.returned).min(most);
            let waited = self.room.is_parked();
            let room = self.room.poll(cx, &self.control, self.buffer.len(), goal);
            let room = ready!(room)?;
            if room > self.control.0.settings.chunk {
                self.buffer.reserve(room);
            }
            // The peer owes nothing for the time without memory.
            let owing = body.owing && !waited;
            let body = self.owe_chunk(PartialFrame { owing, ..body });
            if ready!(self.poll_body(cx, body, room))? == 0 {
                return Poll::Ready(Err(self.truncated()));
            }
        }
    }

    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, TransportError>> {
        let mut buf = ReadBuf::new(&mut self.header[self.header_len..]);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
        let read = buf.filled().len();
        let first = self.header_len == 0;
        if read == 0 && !first {
            return Poll::Ready(Err(self.truncated()));
        }
        self.header_len += read;
        if first {
            self.owe_header();
        }
        Poll::Ready(Ok(read))
    }

    fn truncated(&self) -> TransportError {
        self.control.0.fail();
        TransportError::FrameTruncated
    }

    /// The peer owes the rest of a header from its first byte. Later bytes add no time.
    fn owe_header(&self) {
        let started = self.header_len != 0;
        self.control.set_partial_frame(started);
        self.control.0.owe(if started {
            (HEADER - self.header_len) as u64
        } else {
            0
        });
    }

    /// Begins a frame with a complete header.
    fn begin(&mut self) -> Result<(), TransportError> {
        let conn = &self.control.0;
        let len = u32::from_be_bytes(self.header);
        let max = conn.settings.max_frame;
        let fits = usize::try_from(len).ok().filter(|len| *len <= max);
        let Some(len) = fits else {
            let error = TransportError::TooLarge {
                len: u64::from(len),
                max: max as u64,
            };
            conn.fail();
            conn.reject(transport_core::Reason::TooLarge, &error);
            return Err(error);
        };
        self.header_len = 0;
        self.body = Some(PartialFrame {
            len,
            got: 0,
            returned: 0,
            owing: false,
        });
        Ok(())
    }

    /// Makes the peer owe the current chunk from its first read on.
    fn owe_chunk(&mut self, body: PartialFrame) -> PartialFrame {
        if body.owing {
            return body;
        }
        let owed = (body.len - body.got).min(self.control.0.settings.chunk);
        self.control.0.owe(owed as u64);
        let owing = PartialFrame {
            owing: true,
            ..body
        };
        self.body = Some(owing);
        owing
    }

    /// Reads body bytes up to the end of the chunk or `room`.
    ///
    /// The last read of a frame includes the next header, so that a frame costs one read.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        body: PartialFrame,
        room: usize,
    ) -> Poll<Result<usize, TransportError>> {
        let chunk = self.control.0.settings.chunk;
        let to_boundary = chunk - body.got % chunk;
        let rest = body.len - body.got;
        let want = rest.min(to_boundary).min(room - self.buffer.len());
        let ahead = if want == rest { HEADER } else { 0 };
        let (io, buffer, header) = (&mut self.io, &mut self.buffer, &mut self.header);
        let read = ready!(read_buf::with(want + ahead, |buf| {
            ready!(Pin::new(io).poll_read(cx, buf))?;
            let (mine, next) = buf.filled().split_at(buf.filled().len().min(want));
            buffer.extend(mine, body.len - body.returned);
            header[..next.len()].copy_from_slice(next);
            Poll::Ready(io::Result::Ok((mine.len(), next.len())))
        }))?;
        let (mine, next) = read;
        let got = body.got + mine;
        let owing = got % chunk != 0;
        self.body = Some(PartialFrame { got, owing, ..body });
        self.header_len = next;
        Poll::Ready(Ok(mine))
    }

    fn take_chunk(&mut self) -> Option<Chunk> {
        let body = self.body.as_mut()?;
        let bytes = self.buffer.take(self.room.take());
        let chunk = Chunk {
            frame_len: body.len,
            offset: body.returned,
            bytes,
        };
        body.returned += chunk.bytes.len();
        if chunk.is_last() {
            self.body = None;
            // Before the frame counts as complete: we may owe an answer to it.
            self.control.0.activity.frame(Direction::In);
            self.owe_header();
        }
        Some(chunk)
    }
}

#[cfg(test)]
mod tests;
