//! A stream that remembers how the peer began: it tells HTTP on a TLS port from a broken client.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::Io;

/// Bytes that are remembered.
const OPENING_BYTES: usize = 8;

/// The stream below TLS.
pub(super) struct Opening<I> {
    io: I,
    bytes: [u8; OPENING_BYTES],
    len: usize,
}

impl<I> Opening<I> {
    pub(super) const fn new(io: I) -> Self {
        Self {
            io,
            bytes: [0; OPENING_BYTES],
            len: 0,
        }
    }

    /// The first bytes that the peer sent.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn note(&mut self, read: &[u8]) {
        let room = &mut self.bytes[self.len..];
        let len = room.len().min(read.len());
        room[..len].copy_from_slice(&read[..len]);
        self.len += len;
    }
}

impl<I: Io> AsyncRead for Opening<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if self.len < OPENING_BYTES {
            self.note(&buf.filled()[before..]);
        }
        polled
    }
}

impl<I: Io> AsyncWrite for Opening<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
