//! The stream of an established TCP connection.

use std::future::{pending, Future};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use transport_core::Io;
#[cfg(target_os = "linux")]
use transport_core::Taken;

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
    /// Bytes accepted by the kernel.
    written: u64,
    #[cfg(target_os = "linux")]
    probe: TakenProbe,
}

/// The method that measures [`Io::taken`].
#[cfg(target_os = "linux")]
#[derive(Debug)]
enum TakenProbe {
    /// sock_diag(7).
    Diagnosis {
        /// Whether it has answered before.
        has_answered: bool,
    },
    /// Probes of `TCP_NOTSENT_LOWAT`, where sock_diag(7) is not available.
    Unsent(UnsentProbe),
}

impl TcpIo {
    /// Wraps a connected stream.
    #[must_use]
    pub const fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            is_reset: false,
            written: 0,
            #[cfg(target_os = "linux")]
            probe: TakenProbe::Diagnosis {
                has_answered: false,
            },
        }
    }

    /// Returns the stream below.
    #[must_use]
    pub const fn get_ref(&self) -> &TcpStream {
        &self.stream
    }

    /// Unwraps the stream.
    #[must_use]
    pub fn into_inner(self) -> TcpStream {
        self.stream
    }

    /// Counts accepted bytes, and records a reset, which the kernel reports only once.
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

    /// Counts acknowledged bytes, or bytes that a peer on this host has read.
    ///
    /// Without sock_diag(7) it counts sent bytes, which the peer's window bounds.
    #[cfg(target_os = "linux")]
    fn taken(&mut self) -> Option<Taken> {
        match &mut self.probe {
            TakenProbe::Diagnosis { has_answered } => {
                match sock_diag::send_queue_state(&self.stream) {
                    Some(left) => {
                        *has_answered = true;
                        Some(left.taken(self.written))
                    }
                    // Temporarily out of descriptors or memory.
                    None if *has_answered => None,
                    None => {
                        self.probe = TakenProbe::Unsent(UnsentProbe::new());
                        self.taken()
                    }
                }
            }
            TakenProbe::Unsent(unsent) => {
                let left = unsent.measure(&self.stream, self.written)?;
                Some(Taken::Acknowledged {
                    bytes: self.written.saturating_sub(left),
                    in_flight: true,
                })
            }
        }
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
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.is_reset
            && matches!(polled, Poll::Ready(Ok(())))
            && buf.filled().len() == before
            && buf.remaining() != 0
        {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        polled
    }
}

impl AsyncWrite for TcpIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.record_write(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
