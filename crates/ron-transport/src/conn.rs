//! A guarded connection of any backend. The stream's type is erased here, once.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::{ConnInfo, Connection, Io, Taken};
use transport_limits::{Control, GuardedIo, Leg};

use crate::conn_io::ConnIo;
use crate::exclusive::Exclusive;

/// A guarded connection. It reads and writes like any tokio stream.
///
/// Dropping it ends the connection in order.
///
/// ```
/// use ron_transport::Conn;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// /// Answers one byte with the peer's address.
/// async fn handler(mut conn: Conn) -> std::io::Result<()> {
///     conn.read_u8().await?;
///     let answer = format!("{:?}", conn.info().peer);
///     conn.write_all(answer.as_bytes()).await
/// }
/// ```
pub struct Conn {
    io: Exclusive<Box<dyn ConnIo>>,
    is_write_vectored: bool,
    control: Control,
}

impl Conn {
    pub(crate) fn new<I: Io>(connection: Connection<GuardedIo<I>>) -> Self {
        let io = connection.io;
        Self {
            is_write_vectored: io.is_write_vectored(),
            control: io.control(),
            io: Exclusive::new(Box::new(io)),
        }
    }

    /// Returns the peer, the backend, the identity and the negotiated protocol.
    #[must_use]
    pub fn info(&self) -> &ConnInfo {
        self.control.info()
    }

    /// Returns the handle that cancels and counts this connection.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// Returns a span `conn` with the fields `conn_id` and `backend`.
    ///
    /// [`Transport::serve`](crate::Transport::serve) runs each handler in this span. An embedder with
    /// an accept loop of its own instruments its task with it.
    ///
    /// The span has the level `info`. If the subscriber disables it, it costs nothing; events of the
    /// library have its fields by themselves.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        tracing::info_span!(
            target: "ron_transport",
            "conn",
            transport = self.control.transport(),
            conn_id = self.control.id(),
            backend = self.info().backend.as_str(),
        )
    }

    /// Resolves once the transport drains; the handler then finishes and closes.
    ///
    /// The future borrows nothing: a handler awaits it beside its reads and writes.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        let control = self.control.clone();
        async move { control.draining().await }
    }

    /// Returns the description for a part of this connection.
    pub(crate) fn shared_info(&self) -> Arc<ConnInfo> {
        self.control.shared_info()
    }

    /// Returns the stream, its description and its control handle.
    #[must_use]
    pub fn into_parts(self) -> (Box<dyn Io>, Arc<ConnInfo>, Control) {
        let info = self.shared_info();
        (self.io.into_inner().into_io(), info, self.control)
    }

    #[cfg(feature = "tls")]
    pub(crate) fn into_stream(self) -> Box<dyn ConnIo> {
        self.io.into_inner()
    }

    fn io(&mut self) -> &mut Box<dyn ConnIo> {
        self.io.get_mut()
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn")
            .field("info", self.info())
            .finish_non_exhaustive()
    }
}

impl Io for Conn {
    fn abort(&mut self) {
        self.io().abort();
    }

    fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io().poll_discard(cx, buf)
    }

    fn has_sent_all(&mut self) -> bool {
        self.io().has_sent_all()
    }

    fn expect_drop(&mut self) {
        self.io().expect_drop();
    }

    fn taken(&mut self) -> Option<Taken> {
        self.io().taken()
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.io().wait_reset()
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
        Pin::new(self.io()).poll_read(cx, buf)
    }
}

impl AsyncWrite for Conn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.io()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.io()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.is_write_vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conn_is_send_and_sync() {
        const fn check<T: Send + Sync + 'static>() {}
        check::<Conn>();
    }
}
