//! The last that a server's handshake writes, its session tickets, on their way out with the first
//! answer: where the client's first bytes came with the end of its handshake, that is one packet
//! and one system call instead of two.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use transport_core::Io;

/// Buffers that go out in one call at most, the held bytes among them.
const BUFS: usize = 16;

/// Bytes that were written and not sent.
#[derive(Default)]
pub(super) struct WriteCoalescer(Vec<u8>);

impl WriteCoalescer {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all of it.
    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// Takes all of it.
    pub(super) fn push(&mut self, bufs: &[IoSlice<'_>]) -> usize {
        let before = self.0.len();
        for buf in bufs {
            self.0.extend_from_slice(buf);
        }
        self.0.len() - before
    }

    /// Sends what is held.
    pub(super) fn poll_drain<I: Io>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let written = ready!(Pin::new(&mut *io).poll_write(cx, &self.0))?;
            self.sent(written)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is held and, in the same call, what follows it; returns how much of the latter.
    pub(super) fn poll_write_with<I: Io>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        while !self.is_empty() {
            let mut all = [IoSlice::new(&[]); BUFS];
            all[0] = IoSlice::new(&self.0);
            let room = bufs.len().min(BUFS - 1);
            all[1..=room].copy_from_slice(&bufs[..room]);
            let written = ready!(Pin::new(&mut *io).poll_write_vectored(cx, &all[..=room]))?;
            let of_others = written.saturating_sub(self.0.len());
            self.sent(written)?;
            if of_others > 0 {
                return Poll::Ready(Ok(of_others));
            }
        }
        match bufs {
            [only] => Pin::new(io).poll_write(cx, only),
            _ => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn sent(&mut self, written: usize) -> io::Result<()> {
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
