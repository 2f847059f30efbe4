//! The stream of an established connection over Tor.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arti_client::DataStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tor_cell::relaycell::msg::EndReason;
use transport_core::Io;

use crate::health::Evidence;
use crate::net::Client;

/// A stream over Tor.
///
/// Writes are gathered into cells: they go out when a cell is full, or by a flush. Tor has no
/// half-open streams: a shutdown flushes and ends both directions. What the peer had sent and
/// nobody had read by then may be lost; reads find the end of the stream (a relay that wants the
/// answer is [`relay_held`](transport_limits::relay_held)). Nor does Tor tell an end from a cut:
/// whoever must know has TLS above, or frames.
pub struct ArtiIo {
    inner: DataStream,
    client: Arc<Client>,
    /// It was shut down here.
    ended: bool,
    /// For a stream of the onion service: keeps its circuit.
    _circuit: Option<TaskTrackerToken>,
}

impl ArtiIo {
    pub(super) const fn new(
        inner: DataStream,
        client: Arc<Client>,
        circuit: Option<TaskTrackerToken>,
    ) -> Self {
        Self {
            inner,
            client,
            ended: false,
            _circuit: circuit,
        }
    }

    /// Passes a result on; a failure may mean that the network is gone.
    fn seen<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(_)) = &polled {
            self.client.tell(Evidence::Doubt);
        }
        polled
    }
}

/// Every Tor client, and Arti's services as well, end a stream in order with the reason MISC
/// (tor-spec, "Closing streams"): other reasons would tell too much.
fn is_end(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(
        cause,
        Some(tor_proto::Error::EndReceived(
            EndReason::MISC | EndReason::DONE
        ))
    )
}

impl fmt::Debug for ArtiIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtiIo").finish_non_exhaustive()
    }
}

impl Io for ArtiIo {
    /// Closes the stream: Tor does not tell an end from a cut.
    fn abort(&mut self) {}
}

impl AsyncRead for ArtiIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = match AsyncRead::poll_read(Pin::new(&mut self.inner), cx, buf) {
            Poll::Ready(Err(error)) if self.ended || is_end(&error) => Poll::Ready(Ok(())),
            polled => polled,
        };
        if buf.filled().len() > before {
            self.client.carried();
        }
        self.seen(polled)
    }
}

impl AsyncWrite for ArtiIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = AsyncWrite::poll_write(Pin::new(&mut self.inner), cx, buf);
        self.seen(polled)
    }

    /// Takes as much as fits: Arti gathers what it is given, so one piece after the other costs
    /// no cell more than all at once.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut written = 0;
        for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
            match self.as_mut().poll_write(cx, buf) {
                Poll::Ready(Ok(bytes)) => {
                    written += bytes;
                    if bytes < buf.len() {
                        break;
                    }
                }
                // Told again by the next write, if it is still so.
                _ if written > 0 => break,
                other => return other,
            }
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = AsyncWrite::poll_flush(Pin::new(&mut self.inner), cx);
        self.seen(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = AsyncWrite::poll_shutdown(Pin::new(&mut self.inner), cx);
        self.ended |= matches!(polled, Poll::Ready(Ok(())));
        self.seen(polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_in_order_is_told_from_a_failure() {
        let ended = |reason| io::Error::from(tor_proto::Error::EndReceived(reason));
        assert!(is_end(&ended(EndReason::MISC)) && is_end(&ended(EndReason::DONE)));
        assert!(!is_end(&ended(EndReason::CONNRESET)) && !is_end(&ended(EndReason::DESTROY)));
        assert!(!is_end(&io::Error::other("x")));
        assert!(!is_end(&io::Error::from(tor_proto::Error::CircuitClosed)));
    }
}
