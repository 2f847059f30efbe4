//! The stream of an established TCP connection.

use std::future::{pending, Future};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use transport_core::{Io, Taken};

#[cfg(target_os = "linux")]
use super::sock_diag;
use super::unsent_probe::UnsentProbe;

/// An established TCP connection.
///
/// An abort sends RST. After a write that failed with a reset, the end of what had arrived before
/// is reported as a reset too, and not as an end of stream.
#[derive(Debug)]
pub struct TcpIo {
    stream: TcpStream,
    /// The peer has reset the connection, and a write has consumed the error.
    reset: bool,
    /// Bytes that the kernel has accepted.
    written: u64,
    measure: TakenProbe,
}

/// How [`Io::taken`] is measured.
#[derive(Debug)]
enum TakenProbe {
    /// By the kernel's diagnosis of sockets; whether it has answered before.
    Diagnosis {
        answers: bool,
    },
    Unsent(UnsentProbe),
}

impl TcpIo {
    /// Wraps a connected stream.
    #[must_use]
    pub const fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            reset: false,
            written: 0,
            measure: TakenProbe::Diagnosis { answers: false },
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

    /// Counts accepted bytes, and remembers a reset: the kernel reports it once, to whichever
    /// call comes first.
    fn written(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(written)) => self.written += *written as u64,
            Poll::Ready(Err(error)) => {
                self.reset |= error.kind() == io::ErrorKind::ConnectionReset;
            }
            Poll::Pending => {}
        }
        polled
    }
}

impl Io for TcpIo {
    fn abort(&mut self) {
        // A socket that is gone already needs no reset.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    #[cfg(target_os = "linux")]
    fn has_sent_all(&mut self) -> bool {
        use rustix::event::{poll, PollFd, PollFlags, Timespec};
        if let Some(bytes) = sock_diag::unacknowledged(&self.stream) {
            // Our end of stream counts as one byte.
            return bytes <= 1;
        }
        // With this mark the kernel reports a socket as writable once nothing is unsent (tcp(7)).
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
        // An error is an event too: then there is nothing to wait for.
        poll(&mut fds, Some(&now)) != Ok(0)
    }

    /// Counts bytes that the peer has acknowledged, or read where it is on this host; where the
    /// kernel does not tell, bytes that it has sent, which is no more than the peer's window takes.
    #[cfg(target_os = "linux")]
    fn taken(&mut self) -> Option<Taken> {
        match &mut self.measure {
            TakenProbe::Diagnosis { answers } => match sock_diag::send_queue_state(&self.stream) {
                Some(left) => {
                    *answers = true;
                    Some(left.taken(self.written))
                }
                // No descriptor or no memory for a question, this time.
                None if *answers => None,
                None => {
                    self.measure = TakenProbe::Unsent(UnsentProbe::new());
                    self.taken()
                }
            },
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
        if self.reset
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
        self.written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(polled)
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
