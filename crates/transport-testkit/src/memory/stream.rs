//! One end of an in-memory connection, which notes how it is written to.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// The write calls that reached a stream, in order: the number of buffers of each.
#[derive(Debug, Default)]
pub struct WriteLog(Mutex<Vec<usize>>);

impl WriteLog {
    /// Buffers of each call so far; 1 is a plain write.
    ///
    /// # Panics
    /// When a thread panicked while it noted a call.
    #[must_use]
    pub fn calls(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }

    fn note(&self, buffers: usize) {
        self.0.lock().unwrap().push(buffers);
    }
}

/// One end of an in-memory connection.
#[derive(Debug)]
pub struct MemoryIo {
    inner: DuplexStream,
    log: Option<Arc<WriteLog>>,
}

impl MemoryIo {
    pub(super) const fn new(inner: DuplexStream, log: Option<Arc<WriteLog>>) -> Self {
        Self { inner, log }
    }

    fn note(&self, buffers: usize) {
        if let Some(log) = &self.log {
            log.note(buffers);
        }
    }
}

impl AsyncRead for MemoryIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for MemoryIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.note(1);
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.note(bufs.len());
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
