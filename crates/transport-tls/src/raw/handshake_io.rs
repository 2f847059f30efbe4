//! The stream below TLS, with two additions during the handshake.
//!
//! It records the first bytes of both directions. They explain a failure: HTTP on a TLS port, or the
//! key exchange that was negotiated.
//!
//! It buffers the server's session tickets. A lost ticket is not an error: a client that disconnects
//! before it has read its tickets has completed its handshake.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::{Io, Taken};

use super::write_coalescer::WriteCoalescer;

/// Recorded bytes of each direction.
///
/// They hold a server's hello up to its key share.
const PREFIX_BYTES: usize = 160;
/// The first byte of an encrypted record (RFC 8446 §5.1).
///
/// A server's write starts with it only at the end of the handshake, for tickets or for an alert
/// (which a shutdown sends). Before the end, only the rest of a partial write can start with it.
const APPLICATION_DATA: u8 = 23;

/// The stream below TLS, aware of the handshake.
pub(super) struct HandshakeIo<I> {
    io: I,
    /// `None` after the handshake.
    prefixes: Option<Box<Prefixes>>,
    /// Whether writes may be delayed. Not for a client: the server needs its last message.
    coalesces: bool,
    coalescer: WriteCoalescer,
    /// A read error that the handshake has not received yet.
    deferred_error: Option<io::Error>,
    /// The error that prevented the tickets. No record can follow them.
    ticket_error: Option<io::ErrorKind>,
    /// Bytes that the stream below has accepted.
    accepted: u64,
    /// Whether the stream below has measured progress before.
    is_measured: bool,
}

/// The recorded first bytes of both directions.
#[derive(Default)]
pub(super) struct Prefixes {
    pub(super) received: Prefix,
    pub(super) sent: Prefix,
}

/// The first bytes of one direction.
///
/// An array saves an allocation.
pub(super) struct Prefix {
    bytes: [u8; PREFIX_BYTES],
    len: usize,
}

impl Default for Prefix {
    fn default() -> Self {
        Self {
            bytes: [0; PREFIX_BYTES],
            len: 0,
        }
    }
}

impl Prefix {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn record(&mut self, bytes: &[u8]) {
        let fit = bytes.len().min(PREFIX_BYTES - self.len);
        self.bytes[self.len..self.len + fit].copy_from_slice(&bytes[..fit]);
        self.len += fit;
    }
}

impl<I> HandshakeIo<I> {
    /// Wraps a server's stream.
    pub(super) fn server(io: I) -> Self {
        Self {
            io,
            prefixes: Some(Box::default()),
            coalesces: true,
            coalescer: WriteCoalescer::default(),
            deferred_error: None,
            ticket_error: None,
            accepted: 0,
            is_measured: false,
        }
    }

    /// Wraps a client's stream.
    pub(super) fn client(io: I) -> Self {
        Self {
            coalesces: false,
            ..Self::server(io)
        }
    }

    /// Takes the recorded bytes and stops recording.
    pub(super) fn take_prefixes(&mut self) -> Box<Prefixes> {
        self.prefixes.take().unwrap_or_default()
    }

    /// Ends the handshake: drops the recorded bytes and stops recording.
    pub(super) fn finish_handshake(&mut self) {
        self.prefixes = None;
    }
}

impl<I: Io> HandshakeIo<I> {
    /// Sends buffered tickets and flushes; reads and later writes report a failure.
    pub(super) fn poll_flush_tickets(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(self.poll_drain_and_flush(cx)) {
            self.coalescer.clear();
            self.ticket_error = Some(error.kind());
        }
        Poll::Ready(())
    }

    /// Hides the first read error from this poll.
    ///
    /// If this poll completes the handshake, the first read of the stream fails. Otherwise the next
    /// poll of the handshake fails.
    fn defer(&mut self, error: io::Error, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.deferred_error = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends the buffered bytes, and flushes the stream below.
    ///
    /// That stream may buffer too.
    fn poll_drain_and_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.coalescer.poll_drain(&mut self.io, cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Returns whether a write ends the handshake or follows it.
    fn should_coalesce(&self, bufs: &[IoSlice<'_>]) -> bool {
        let first = || bufs.iter().find_map(|buf| buf.first());
        let in_handshake = self.prefixes.is_some();
        in_handshake
            && self.coalesces
            && (!self.coalescer.is_empty() || first() == Some(&APPLICATION_DATA))
    }
}

impl<I: Io> Io for HandshakeIo<I> {
    fn abort(&mut self) {
        self.io.abort();
    }

    fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io.poll_discard(cx, buf)
    }

    fn has_sent_all(&mut self) -> bool {
        self.coalescer.is_empty() && self.io.has_sent_all()
    }

    fn needs_flush(&self) -> bool {
        !self.coalescer.is_empty() || self.io.needs_flush()
    }

    fn expect_drop(&mut self) {
        self.io.expect_drop();
    }

    fn expect_shutdown(&mut self) {
        self.io.expect_shutdown();
    }

    /// Returns the measurement of the stream below.
    ///
    /// Falls back to the accepted bytes if that stream has never measured.
    fn taken(&mut self) -> Option<Taken> {
        let measured = self.io.taken();
        self.is_measured |= measured.is_some();
        if self.is_measured {
            measured
        } else {
            Some(Taken::Read(self.accepted))
        }
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.io.wait_reset()
    }
}

impl<I: Io> AsyncRead for HandshakeIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(error) = self.deferred_error.take() {
            return Poll::Ready(Err(error));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if let Some(prefixes) = &mut self.prefixes {
            prefixes.received.record(&buf.filled()[before..]);
            if polled.is_pending() {
                // The buffered bytes may be the rest of a partly written record that the peer
                // waits for.
                ready!(self.poll_drain_and_flush(cx))?;
            }
            if let Poll::Ready(Err(error)) = polled {
                return self.defer(error, cx);
            }
        }
        polled
    }
}

impl<I: Io> AsyncWrite for HandshakeIo<I> {
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
        let this = &mut *self;
        if let Some(kind) = this.ticket_error {
            return Poll::Ready(Err(kind.into()));
        }
        let polled = if this.should_coalesce(bufs) {
            Poll::Ready(Ok(this.coalescer.push(bufs)))
        } else {
            this.coalescer.poll_write_with(&mut this.io, cx, bufs)
        };
        if let Poll::Ready(Ok(written)) = &polled {
            this.accepted += *written as u64;
        }
        if let (Poll::Ready(Ok(written)), Some(prefixes)) = (&polled, &mut this.prefixes) {
            let mut left = *written;
            for buf in bufs {
                let from_buf = left.min(buf.len());
                prefixes.sent.record(&buf[..from_buf]);
                left -= from_buf;
            }
        }
        let deferred = this.deferred_error.as_ref().map(io::Error::kind);
        // The read error came first and is the cause.
        polled.map_err(|error| deferred.map_or(error, io::Error::from))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// Flushes; buffered tickets stay until the end of the handshake.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.prefixes.is_none() && !self.coalescer.is_empty() {
            return self.poll_flush_tickets(cx).map(Ok);
        }
        if self.ticket_error.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.coalescer.poll_drain(&mut this.io, cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
