//! The two halves of a split connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
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
