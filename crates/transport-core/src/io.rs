//! The byte stream of a connection, and how it ends.

use std::future::{pending, Future};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream that can be moved between tasks.
///
/// A stream ends *in order* by [`poll_shutdown`](AsyncWrite::poll_shutdown), or *aborted* by
/// [`abort`](Self::abort). The peer sees which. [`contract`](crate::contract) has the rules.
///
/// `poll_shutdown` sends all written bytes, then an end of stream. It ends this direction only: reads
/// continue. A stream that is dropped without either ends for its peer too, as an end of stream or as
/// an error; a guard always does one of the two before. Writes to a peer that has dropped its stream
/// fail after a while.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Shows the peer an error instead of an end of stream.
    ///
    /// Unsent data is discarded, and the call does not wait. The signal may be sent by the drop that
    /// follows; no other call follows. The peer's read fails with a reset, or for TLS with an
    /// unexpected end. TCP sends RST when the stream is dropped. TLS sends no `close_notify` and
    /// aborts the stream below. A backend that cannot signal an abort says so in its documentation,
    /// and its peers read an end of stream.
    fn abort(&mut self);

    /// Reads bytes that are about to be discarded, for a lingering close.
    ///
    /// TLS reads the stream below, also past the peer's `close_notify`: a socket that is closed
    /// with unread bytes resets the connection and destroys data on its way to the peer.
    ///
    /// # Errors
    /// As [`poll_read`](AsyncRead::poll_read).
    fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self).poll_read(cx, buf)
    }

    /// Returns whether all written bytes have been sent to the peer.
    ///
    /// A stream that cannot know returns `true`.
    fn has_sent_all(&mut self) -> bool {
        true
    }

    /// Returns the number of bytes that the peer has received.
    ///
    /// The number is exact to within 1 KiB. Only the difference between two results of the same
    /// kind has a meaning. A stream that cannot know returns `None`; the write deadline then counts
    /// the bytes that the stream accepted. A call may cost some system calls.
    fn taken(&mut self) -> Option<Taken> {
        None
    }

    /// Returns whether written bytes may need a flush.
    ///
    /// A guard asks after each write, and skips a flush without effect. A stream that holds no bytes
    /// back returns `false`. By default `true`.
    fn needs_flush(&self) -> bool {
        true
    }

    /// Announces that the stream is dropped right after its next shutdown.
    ///
    /// A backend whose close sends the end of stream may then leave it to the close, if the peer's
    /// has been read. By default nothing changes.
    fn expect_drop(&mut self) {}

    /// Announces that a shutdown follows the next write.
    ///
    /// A backend may then send the bytes of that write together with the end of stream. By default
    /// nothing changes.
    fn expect_shutdown(&mut self) {}

    /// Resolves once the peer has reset the connection.
    ///
    /// Unread bytes do not delay it, and it takes none. An end of stream is not a reset. A stream that
    /// cannot know never resolves.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(pending())
    }
}

/// The bytes that the peer of a stream has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Taken {
    /// Bytes that the peer's application has read.
    Read(u64),
    /// Bytes that the peer's host has acknowledged.
    Acknowledged {
        /// Their number.
        bytes: u64,
        /// Whether sent bytes wait for an acknowledgement. Without any, the host is alive and its
        /// window is closed until the application has read much of what was acknowledged.
        in_flight: bool,
    },
}

impl Taken {
    /// Returns the number of bytes, of either kind.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Read(bytes) | Self::Acknowledged { bytes, .. } => bytes,
        }
    }
}

impl<T: Io + ?Sized> Io for Box<T> {
    fn abort(&mut self) {
        (**self).abort();
    }

    fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        (**self).poll_discard(cx, buf)
    }

    fn has_sent_all(&mut self) -> bool {
        (**self).has_sent_all()
    }

    fn needs_flush(&self) -> bool {
        (**self).needs_flush()
    }

    fn expect_drop(&mut self) {
        (**self).expect_drop();
    }

    fn expect_shutdown(&mut self) {
        (**self).expect_shutdown();
    }

    fn taken(&mut self) -> Option<Taken> {
        (**self).taken()
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        (**self).wait_reset()
    }
}

/// Any tokio stream as an [`Io`] whose abort only drops it.
///
/// The peer of such a stream cannot tell an abort from an end of stream.
#[derive(Debug)]
#[allow(clippy::exhaustive_structs)] // A wrapper: `Plain(stream)`.
pub struct Plain<T>(pub T);

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for Plain<T> {
    fn abort(&mut self) {}
}

impl<T: AsyncRead + Unpin> AsyncRead for Plain<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Plain<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
