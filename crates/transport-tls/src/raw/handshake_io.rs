//! The stream below TLS. Until the handshake is over it remembers how both ends began, which a
//! failure is explained by: that tells HTTP on a TLS port from a broken client, and which key
//! exchange had been agreed on. And it holds back a server's tickets, which may be lost: a client
//! that is gone before it has read them has completed its handshake.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::{Io, Taken};

use super::write_coalescer::WriteCoalescer;

/// Bytes that are remembered of each end: a server's hello up to its key share.
const PREFIX_BYTES: usize = 160;
/// The first byte of an encrypted record. A write of a server begins with it when its handshake is
/// over: its tickets, or an alert, which [`HandshakeIo`] sends when it is shut down. Before that only
/// the rest of a write does that did not go out whole.
const APPLICATION_DATA: u8 = 23;

/// The stream below TLS.
pub(super) struct HandshakeIo<I> {
    io: I,
    prefixes: Option<Box<Prefixes>>,
    /// Whether the end of the handshake may be held back: not a client's, which the server needs.
    coalesces: bool,
    coalescer: WriteCoalescer,
    /// A read error that the handshake has not seen yet.
    deferred: Option<io::Error>,
    /// LifetimeTicketer could not be written. No record can follow them.
    lost: Option<io::ErrorKind>,
    /// Bytes that the stream below has accepted.
    accepted: u64,
    /// Whether the stream below knows what the peer takes.
    measures: bool,
}

/// The first bytes of both directions.
#[derive(Default)]
pub(super) struct Prefixes {
    pub(super) received: Prefix,
    pub(super) sent: Prefix,
}

/// The first bytes of one direction. No vector: that would be another allocation for each peer.
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
    /// A server's stream.
    pub(super) fn server(io: I) -> Self {
        Self {
            io,
            prefixes: Some(Box::default()),
            coalesces: true,
            coalescer: WriteCoalescer::default(),
            deferred: None,
            lost: None,
            accepted: 0,
            measures: false,
        }
    }

    /// A client's stream.
    pub(super) fn client(io: I) -> Self {
        Self {
            coalesces: false,
            ..Self::server(io)
        }
    }

    /// Gives up what was remembered, and remembers no more.
    pub(super) fn take_prefixes(&mut self) -> Box<Prefixes> {
        self.prefixes.take().unwrap_or_default()
    }

    /// Remembers nothing any more.
    pub(super) fn forget_prefixes(&mut self) {
        self.prefixes = None;
    }
}

impl<I: Io> HandshakeIo<I> {
    /// Sends held tickets, and flushes. A failure is no error: reads and later writes report it.
    pub(super) fn poll_flush_tickets(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(self.poll_drain_and_flush(cx)) {
            self.coalescer.clear();
            self.lost = Some(error.kind());
        }
        Poll::Ready(())
    }

    /// Hides the first read error from this poll. If it completes the handshake, the handshake has
    /// succeeded and the first read of the stream fails; if not, the next poll fails it.
    fn defer(&mut self, error: io::Error, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.deferred = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends what the handshake has held back, and flushes: the stream may gather what it is given.
    fn poll_drain_and_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.coalescer.poll_drain(&mut self.io, cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Whether this is the end of the handshake, or follows on it.
    fn should_coalesce(&self, bufs: &[IoSlice<'_>]) -> bool {
        let first = || bufs.iter().find_map(|buf| buf.first());
        let is_over = self.prefixes.is_none();
        !is_over
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

    /// Falls back to bytes that the stream below has accepted, unless it has measured before.
    fn taken(&mut self) -> Option<Taken> {
        let measured = self.io.taken();
        self.measures |= measured.is_some();
        if self.measures {
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
        if let Some(error) = self.deferred.take() {
            return Poll::Ready(Err(error));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if let Some(prefixes) = &mut self.prefixes {
            prefixes.received.record(&buf.filled()[before..]);
            if polled.is_pending() {
                // The peer may wait for it: what looked like the end may have been the rest of a
                // record that did not go out whole.
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
        if let Some(kind) = this.lost {
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
                let of_this = left.min(buf.len());
                prefixes.sent.record(&buf[..of_this]);
                left -= of_this;
            }
        }
        let deferred = this.deferred.as_ref().map(io::Error::kind);
        // The read error came first, and names the cause.
        polled.map_err(|error| deferred.map_or(error, io::Error::from))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// What the handshake holds back stays, as long as it goes on.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.prefixes.is_none() && !self.coalescer.is_empty() {
            return self.poll_flush_tickets(cx).map(Ok);
        }
        if self.lost.is_some() {
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
