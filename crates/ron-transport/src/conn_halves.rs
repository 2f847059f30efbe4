//! The two halves of a split connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{split, AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use transport_core::ConnInfo;
use transport_limits::Control;

use crate::conn::Conn;

/// The read half of a [`Conn`].
#[derive(Debug)]
pub struct ConnReader {
    half: ReadHalf<Conn>,
    info: Arc<ConnInfo>,
    control: Control,
}

/// The write half of a [`Conn`].
#[derive(Debug)]
pub struct ConnWriter {
    half: WriteHalf<Conn>,
    control: Control,
}

impl Conn {
    /// Splits the connection into halves that different tasks can own.
    ///
    /// The connection ends once both halves are dropped. [`AsyncWriteExt::shutdown`] on the writer
    /// sends a half-close.
    ///
    /// ```
    /// use ron_transport::Conn;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// async fn handler(conn: Conn) {
    ///     let (mut reader, mut writer) = conn.into_split();
    ///     tokio::spawn(async move { writer.write_all(b"hello").await });
    ///     let mut request = Vec::new();
    ///     let _ = reader.read_to_end(&mut request).await;
    /// }
    /// ```
    ///
    /// [`AsyncWriteExt::shutdown`]: tokio::io::AsyncWriteExt::shutdown
    #[must_use]
    pub fn into_split(self) -> (ConnReader, ConnWriter) {
        let (info, control) = (self.shared_info(), self.control().clone());
        let (read, write) = split(self);
        (
            ConnReader::new(read, info, control.clone()),
            ConnWriter::new(write, control),
        )
    }
}

impl ConnReader {
    pub(crate) const fn new(half: ReadHalf<Conn>, info: Arc<ConnInfo>, control: Control) -> Self {
        Self {
            half,
            info,
            control,
        }
    }

    /// Returns the description of the connection.
    #[must_use]
    pub fn info(&self) -> &ConnInfo {
        &self.info
    }

    /// Returns the handle that cancels and counts this connection.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// Joins the halves of one connection again.
    ///
    /// # Panics
    /// When the halves belong to different connections.
    #[must_use]
    pub fn unsplit(self, writer: ConnWriter) -> Conn {
        self.half.unsplit(writer.half)
    }
}

impl ConnWriter {
    pub(crate) const fn new(half: WriteHalf<Conn>, control: Control) -> Self {
        Self { half, control }
    }

    /// Returns the handle that cancels and counts this connection.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }
}

impl AsyncRead for ConnReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_read(cx, buf)
    }
}

impl AsyncWrite for ConnWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.half).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.half).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.half.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_send_and_sync() {
        const fn check<T: Send + Sync + 'static>() {}
        check::<ConnReader>();
        check::<ConnWriter>();
    }
}
