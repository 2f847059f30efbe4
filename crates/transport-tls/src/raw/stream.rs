//! The stream of an established TLS connection.

use std::fmt;
use std::future::{pending, Future};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::{Io, Taken};

use super::tls_session::TlsSession;
use crate::explain;

/// An established TLS connection.
///
/// A shutdown sends `close_notify` and ends the write half; the peer may continue to send. Without a
/// shutdown, dropping the stream truncates it for the peer. An abort sends no `close_notify` and
/// aborts the stream below.
///
/// A read returns end of stream only after the peer's `close_notify`, and then always. A shutdown
/// that cannot deliver our `close_notify` succeeds if the peer's has arrived, because the peer lost
/// no data.
///
/// # Errors
/// Inside the [`io::Error`] of reads and writes:
/// - [`TransportError::TlsTruncated`](transport_core::TransportError::TlsTruncated) for an end of
///   stream without `close_notify` (RFC 8446 §6.1).
/// - [`TransportError::Tls`](transport_core::TransportError::Tls) for an alert or a broken record.
///
/// Errors of the stream below stay as they are.
pub struct TlsIo<I> {
    session: TlsSession<I>,
    /// Every record before our `close_notify` has been written.
    is_closing: bool,
    /// Whether the peer's `close_notify` has been read.
    is_at_end: bool,
    /// Whether a drop follows the next shutdown.
    is_dropped_next: bool,
}

impl<I> TlsIo<I> {
    /// Wraps an established session.
    pub(super) const fn new(session: TlsSession<I>) -> Self {
        Self {
            session,
            is_closing: false,
            is_at_end: false,
            is_dropped_next: false,
        }
    }
}

impl<I> fmt::Debug for TlsIo<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIo").finish_non_exhaustive()
    }
}

fn explained<T>(polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    polled.map_err(explain::stream)
}

impl<I: Io> Io for TlsIo<I> {
    fn abort(&mut self) {
        if let Some(inner) = self.session.inner() {
            inner.abort();
        }
    }

    fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.session.inner() {
            Some(inner) => inner.poll_discard(cx, buf),
            None => Poll::Ready(Ok(())),
        }
    }

    fn has_sent_all(&mut self) -> bool {
        !self.session.wants_write() && self.session.inner().map_or(true, Io::has_sent_all)
    }

    fn needs_flush(&self) -> bool {
        self.session.needs_flush()
    }

    fn expect_drop(&mut self) {
        self.is_dropped_next = true;
        if let Some(inner) = self.session.inner() {
            inner.expect_drop();
        }
    }

    /// Counts ciphertext; bytes that rustls still holds are not included.
    fn taken(&mut self) -> Option<Taken> {
        self.session.inner().and_then(Io::taken)
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        match self.session.inner() {
            Some(inner) => inner.wait_reset(),
            None => Box::pin(pending()),
        }
    }
}

impl<I: Io> AsyncRead for TlsIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buf.remaining();
        ready!(explained(
            Pin::new(self.session.stream()?).poll_read(cx, buf)
        ))?;
        self.is_at_end |= room > 0 && buf.remaining() == room;
        Poll::Ready(Ok(()))
    }
}

impl<I: Io> AsyncWrite for TlsIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        explained(Pin::new(self.session.stream()?).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        explained(Pin::new(self.session.stream()?).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.session.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        explained(Pin::new(self.session.stream()?).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.is_closing {
            if this.session.wants_write() {
                ready!(explained(Pin::new(this.session.stream()?).poll_flush(cx)))?;
            }
            this.is_closing = true;
            if let Some(inner) = this.session.inner() {
                // Only `close_notify` is left: it can share a segment with the end of stream.
                inner.expect_shutdown();
                if this.is_at_end && this.is_dropped_next {
                    // Reads the end of the stream below, so that it can leave its own to the drop.
                    let _ = inner.poll_discard(cx, &mut ReadBuf::new(&mut [0]));
                }
            }
        }
        match ready!(Pin::new(this.session.stream()?).poll_shutdown(cx)) {
            Err(_) if this.session.has_peer_closed(cx) => Poll::Ready(Ok(())),
            ended => explained(Poll::Ready(ended)),
        }
    }
}
