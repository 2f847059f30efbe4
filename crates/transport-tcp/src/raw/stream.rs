//! The stream of an established TCP connection.

use std::future::{pending, Future};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use transport_core::Io;
#[cfg(target_os = "linux")]
use transport_core::Taken;

use super::options::DeferredOptions;
#[cfg(target_os = "linux")]
use super::{sock_diag, unsent_probe::UnsentProbe};

/// An established TCP connection.
///
/// An abort sends RST. If a write fails with a reset, reads return the bytes that arrived before and
/// then a reset instead of end of stream.
#[derive(Debug)]
pub struct TcpIo {
    stream: TcpStream,
    /// Whether a write has consumed the error of a reset.
    is_reset: bool,
    /// Whether the peer's end of stream has been read.
    is_at_end: bool,
    /// Whether a drop follows the next shutdown.
    is_dropped_next: bool,
    /// Whether a shutdown follows the next write.
    #[cfg(target_os = "linux")]
    is_shut_down_next: bool,
    /// Options of a dialed socket that its first writes do not need.
    deferred: Option<DeferredOptions>,
    /// Bytes accepted by the kernel.
    written: u64,
    /// Probes of `TCP_NOTSENT_LOWAT`, where sock_diag(7) is not available.
    #[cfg(target_os = "linux")]
    probe: Option<Box<UnsentProbe>>,
    /// Whether sock_diag(7) has answered before.
    #[cfg(target_os = "linux")]
    has_diagnosis: bool,
}

impl TcpIo {
    /// Wraps a connected stream.
    #[must_use]
    pub const fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            is_reset: false,
            is_at_end: false,
            is_dropped_next: false,
            #[cfg(target_os = "linux")]
            is_shut_down_next: false,
            deferred: None,
            written: 0,
            #[cfg(target_os = "linux")]
            probe: None,
            #[cfg(target_os = "linux")]
            has_diagnosis: false,
        }
    }

    /// Wraps a dialed stream, whose writes set the other options.
    pub(super) const fn with_deferred(mut self, options: DeferredOptions) -> Self {
        self.deferred = Some(options);
        self
    }

    /// Sets the deferred options that this write needs.
    fn before_write(&mut self, bytes: usize) -> io::Result<()> {
        if let Some(deferred) = &mut self.deferred {
            let socket = SockRef::from(&self.stream);
            if deferred.set_for(&socket, self.written, bytes)? {
                self.deferred = None;
            }
        }
        Ok(())
    }

    /// Returns the stream below.
    #[must_use]
    pub const fn get_ref(&self) -> &TcpStream {
        &self.stream
    }

    /// Unwraps the stream.
    ///
    /// A dialed stream has all its options from then on.
    #[must_use]
    pub fn into_inner(mut self) -> TcpStream {
        // Fails only for a closed socket.
        let _ = self.before_write(usize::MAX);
        self.stream
    }

    /// Writes bytes that share a segment with the next FIN.
    ///
    /// Without a shutdown or close, the kernel sends them after 200 ms (tcp(7), `TCP_CORK`).
    #[cfg(target_os = "linux")]
    fn poll_write_before_fin(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        use rustix::net::{send, SendFlags};
        let stream = &self.stream;
        loop {
            ready!(stream.poll_write_ready(cx))?;
            let sent = stream.try_io(Interest::WRITABLE, || {
                let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
                send(stream, buf, flags).map_err(io::Error::from)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    /// Counts accepted bytes, and records a reset.
    ///
    /// The kernel reports a reset only once.
    fn record_write(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(written)) => self.written += *written as u64,
            Poll::Ready(Err(error)) => {
                self.is_reset |= error.kind() == io::ErrorKind::ConnectionReset;
            }
            Poll::Pending => {}
        }
        polled
    }
}

impl Io for TcpIo {
    fn abort(&mut self) {
        // Fails only for a closed socket.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    fn needs_flush(&self) -> bool {
        false
    }

    fn expect_drop(&mut self) {
        self.is_dropped_next = true;
    }

    #[cfg(target_os = "linux")]
    fn expect_shutdown(&mut self) {
        self.is_shut_down_next = true;
    }

    #[cfg(target_os = "linux")]
    fn has_sent_all(&mut self) -> bool {
        use rustix::event::{poll, PollFd, PollFlags, Timespec};
        if let Some(bytes) = sock_diag::unacknowledged(&self.stream) {
            // The FIN counts as one byte.
            return bytes <= 1;
        }
        // With this mark the socket is writable once no byte is unsent (tcp(7)).
        if SockRef::from(&self.stream)
            .set_tcp_notsent_lowat(1)
            .is_err()
        {
            return true;
        }
        let mut fds = [PollFd::new(&self.stream, PollFlags::OUT)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // An error is an event too, and ends the wait.
        poll(&mut fds, Some(&now)) != Ok(0)
    }

    /// Counts acknowledged bytes.
    ///
    /// For a peer on this host, it counts bytes that the peer has read. Without sock_diag(7) it
    /// counts sent bytes, which the peer's window bounds.
    #[cfg(target_os = "linux")]
    fn taken(&mut self) -> Option<Taken> {
        if self.probe.is_none() {
            if let Some(left) = sock_diag::send_queue_state(&self.stream) {
                self.has_diagnosis = true;
                return Some(left.taken(self.written));
            }
            if self.has_diagnosis {
                // Temporarily out of descriptors or memory.
                return None;
            }
        }
        let new = || Box::new(UnsentProbe::new());
        let unsent = self.probe.get_or_insert_with(new);
        let left = unsent.measure(&self.stream, self.written)?;
        Some(Taken::Acknowledged {
            bytes: self.written.saturating_sub(left),
            in_flight: true,
        })
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if self.stream.ready(Interest::ERROR).await.is_err() {
                pending::<()>().await;
            }
        })
    }
}

impl AsyncRead for TcpIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if !self.is_at_end {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            self.is_at_end = buf.filled().len() == before && buf.remaining() != 0;
        }
        if self.is_at_end && self.is_reset && buf.remaining() != 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TcpIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.before_write(buf.len())?;
        #[cfg(target_os = "linux")]
        if self.is_shut_down_next {
            let polled = self.poll_write_before_fin(cx, buf);
            return self.record_write(polled);
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.record_write(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.deferred.is_some() {
            self.before_write(bufs.iter().map(|buf| buf.len()).sum())?;
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.record_write(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_at_end && self.is_dropped_next {
            // No byte is unread, so the close sends FIN and not RST.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// It fits into 256 bytes with the guard's state.
    #[test]
    fn stream_is_small() {
        let bytes = size_of::<TcpIo>() - size_of::<TcpStream>();
        assert!(bytes <= 32, "{bytes} bytes");
    }
}
