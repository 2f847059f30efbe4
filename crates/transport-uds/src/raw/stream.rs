//! The stream of an established Unix-socket connection.

use std::future::{pending, Future};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;
use transport_core::Io;

/// An established Unix-socket connection.
///
/// Unix sockets have no reset. An abort closes the socket, and the peer receives an error only if
/// bytes that it sent were unread (unix(7): `ECONNRESET`). All bytes written before a close are
/// delivered, so reads report that error as end of stream. A peer that must distinguish an abort
/// from an end uses frames or TLS.
#[derive(Debug)]
pub struct UdsIo(UnixStream);

impl UdsIo {
    /// Wraps a connected stream.
    #[must_use]
    pub const fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    /// Returns the stream below.
    #[must_use]
    pub const fn get_ref(&self) -> &UnixStream {
        &self.0
    }
}

impl Io for UdsIo {
    fn abort(&mut self) {}

    fn needs_flush(&self) -> bool {
        false
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if self.0.ready(Interest::ERROR).await.is_err() {
                pending::<()>().await;
            }
        })
    }
}

impl AsyncRead for UdsIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(cx, buf) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                Poll::Ready(Ok(()))
            }
            polled => polled,
        }
    }
}

impl AsyncWrite for UdsIo {
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
