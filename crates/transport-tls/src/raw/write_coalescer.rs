//! Coalesces the server's session tickets with the first application write.
//!
//! If the client's first bytes arrive with the end of its handshake, tickets and answer leave in one
//! packet and one system call instead of two.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use transport_core::Io;

/// Most buffers in one vectored write, the buffered bytes included.
const MAX_IO_SLICES: usize = 16;

/// A buffer for written bytes that are sent with the next write.
#[derive(Default)]
pub(super) struct WriteCoalescer(Vec<u8>);

impl WriteCoalescer {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops the buffered bytes.
    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// Buffers every byte and returns their number.
    pub(super) fn push(&mut self, bufs: &[IoSlice<'_>]) -> usize {
        let before = self.0.len();
        for buf in bufs {
            self.0.extend_from_slice(buf);
        }
        self.0.len() - before
    }

    /// Writes the buffered bytes.
    pub(super) fn poll_drain<I: Io>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let written = ready!(Pin::new(&mut *io).poll_write(cx, &self.0))?;
            self.consume(written)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the buffered bytes followed by `bufs`.
    ///
    /// Returns the bytes written from `bufs`.
    pub(super) fn poll_write_with<I: Io>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        while !self.is_empty() {
            let mut all = [IoSlice::new(&[]); MAX_IO_SLICES];
            all[0] = IoSlice::new(&self.0);
            let room = bufs.len().min(MAX_IO_SLICES - 1);
            all[1..=room].copy_from_slice(&bufs[..room]);
            let written = ready!(Pin::new(&mut *io).poll_write_vectored(cx, &all[..=room]))?;
            let from_bufs = written.saturating_sub(self.0.len());
            self.consume(written)?;
            if from_bufs > 0 {
                return Poll::Ready(Ok(from_bufs));
            }
        }
        match bufs {
            [only] => Pin::new(io).poll_write(cx, only),
            _ => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    /// Removes written bytes from the buffer.
    fn consume(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if written >= self.0.len() {
            self.0 = Vec::new();
        } else {
            self.0.drain(..written);
        }
        Ok(())
    }
}
