//! One end of an in-memory connection, with a log of its writes.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::Notify;
use transport_core::Io;

/// The number of buffers of each write call, in order.
#[derive(Debug, Default)]
pub struct WriteLog(Mutex<Vec<usize>>);

impl WriteLog {
    /// Returns the buffers of each call; 1 is a plain write.
    ///
    /// # Panics
    /// A thread panicked while it recorded a call.
    #[must_use]
    pub fn calls(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }

    fn note(&self, buffers: usize) {
        self.0.lock().unwrap().push(buffers);
    }
}

/// A reset sent to one end.
#[derive(Debug, Default)]
struct Reset {
    sent: AtomicBool,
    seen: Notify,
}

/// One end of an in-memory connection.
///
/// After an abort, the other end reads the bytes that had arrived and then a reset.
#[derive(Debug)]
pub struct MemoryIo {
    inner: DuplexStream,
    log: Option<Arc<WriteLog>>,
    to_us: Arc<Reset>,
    to_peer: Arc<Reset>,
}

impl MemoryIo {
    /// Creates both ends of a connection.
    ///
    /// Each direction buffers `buffer_bytes`; the second end logs its writes.
    pub(super) fn pair(buffer_bytes: usize, log: Arc<WriteLog>) -> (Self, Self) {
        let (first, second) = tokio::io::duplex(buffer_bytes);
        let (to_first, to_second) = (Arc::<Reset>::default(), Arc::<Reset>::default());
        let end = |inner, log, to_us: &Arc<Reset>, to_peer: &Arc<Reset>| Self {
            inner,
            log,
            to_us: Arc::clone(to_us),
            to_peer: Arc::clone(to_peer),
        };
        (
            end(first, None, &to_first, &to_second),
            end(second, Some(log), &to_second, &to_first),
        )
    }

    fn note(&self, buffers: usize) {
        if let Some(log) = &self.log {
            log.note(buffers);
        }
    }
}

impl Io for MemoryIo {
    fn abort(&mut self) {
        self.to_peer.sent.store(true, Ordering::Release);
        self.to_peer.seen.notify_waiters();
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let seen = self.to_us.seen.notified();
            tokio::pin!(seen);
            seen.as_mut().enable();
            if !self.to_us.sent.load(Ordering::Acquire) {
                seen.await;
            }
        })
    }
}

impl AsyncRead for MemoryIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buf.filled().len(), buf.remaining());
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let ended =
            matches!(polled, Poll::Ready(Ok(()))) && room != 0 && buf.filled().len() == before;
        if ended && self.to_us.sent.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        polled
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
