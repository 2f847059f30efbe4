//! A guarded connection of any backend: the stream type is erased here, once.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf};
use transport_core::{ConnInfo, Connection, Io, Taken};
use transport_limits::{framed, Control, FrameReader, FrameSender, GuardedIo, Leg};

/// A guarded stream with what is known about it. It reads and writes like any tokio stream.
pub struct Conn {
    io: Box<dyn Io>,
    info: Box<ConnInfo>,
    control: Control,
}

impl Conn {
    pub(crate) fn new<I: Io>(connection: Connection<GuardedIo<I>>) -> Self {
        let control = connection.io.control();
        Self {
            io: Box::new(connection.io),
            info: connection.info,
            control,
        }
    }

    /// Peer, backend, identity and what was negotiated.
    #[must_use]
    pub fn info(&self) -> &ConnInfo {
        &self.info
    }

    /// The handle that cancels, counts and says what is owed.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// Resolves once the transport drains: a handler may then finish what is under way and close.
    ///
    /// The future borrows nothing: a handler awaits it beside its reads and writes.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        // A borrow of the stream would not be `Send`, and no handler of `serve` could await it.
        let control = self.control.clone();
        async move { control.draining().await }
    }

    /// Puts the connection into framed mode.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn into_framed(self) -> (FrameReader<ReadHalf<Box<dyn Io>>>, FrameSender) {
        framed(self.io, &self.control)
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl Io for Conn {
    fn abort(&mut self) {
        self.io.abort();
    }

    fn has_sent_all(&mut self) -> bool {
        self.io.has_sent_all()
    }

    fn taken(&mut self) -> Option<Taken> {
        self.io.taken()
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.io.wait_reset()
    }
}

impl Leg for Conn {
    fn guard(&self) -> Option<&Control> {
        Some(&self.control)
    }
}

impl AsyncRead for Conn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Conn {
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
