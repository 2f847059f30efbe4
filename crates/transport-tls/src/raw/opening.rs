//! A stream that remembers how both ends began, until the handshake is over: what a failure is
//! explained by. It tells HTTP on a TLS port from a broken client, and which key exchange had been
//! agreed on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::Io;

/// Bytes that are remembered of each end: a server's hello up to its key share.
const START_BYTES: usize = 160;

/// The stream below TLS.
pub(super) struct Opening<I> {
    io: I,
    start: Option<Box<Start>>,
}

/// The first bytes of both directions.
#[derive(Default)]
pub(super) struct Start {
    pub(super) received: Vec<u8>,
    pub(super) sent: Vec<u8>,
}

impl<I> Opening<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            io,
            start: Some(Box::default()),
        }
    }

    /// Gives up what was remembered, and remembers no more.
    pub(super) fn take_start(&mut self) -> Start {
        self.start
            .take()
            .map_or_else(Start::default, |start| *start)
    }
}

fn note(start: &mut Vec<u8>, bytes: &[u8]) {
    let room = START_BYTES.saturating_sub(start.len());
    start.extend_from_slice(&bytes[..room.min(bytes.len())]);
}

impl<I: Io> AsyncRead for Opening<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if let Some(start) = &mut self.start {
            note(&mut start.received, &buf.filled()[before..]);
        }
        polled
    }
}

impl<I: Io> AsyncWrite for Opening<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match bufs {
            [only] => Pin::new(&mut self.io).poll_write(cx, only),
            _ => Pin::new(&mut self.io).poll_write_vectored(cx, bufs),
        };
        if let (Poll::Ready(Ok(written)), Some(start)) = (&polled, &mut self.start) {
            let mut left = *written;
            for buf in bufs {
                let of_this = left.min(buf.len());
                note(&mut start.sent, &buf[..of_this]);
                left -= of_this;
            }
        }
        polled
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
