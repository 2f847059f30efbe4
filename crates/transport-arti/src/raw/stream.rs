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
use tor_proto::client::stream::ClientStreamCtrl;
use tor_proto::ClientTunnel;
use transport_core::Io;

use super::sharing::OnCircuit;
use crate::health::Evidence;
use crate::net::Client;

/// A stream over Tor.
///
/// Writes are gathered into cells: they go out when a cell is full, or by a flush. Tor has no
/// half-open streams: a shutdown flushes and ends both directions. What the peer had sent and
/// nobody had read by then may be lost; reads find the end of the stream (a relay that wants the
/// answer is [`relay_without_half_close`](transport_limits::relay_without_half_close)).
///
/// An [`abort`](Io::abort) of a dialed stream reaches an onion service where the stream is alone on
/// its circuit, as with `arti.isolation = "stream"`: the circuit ends with it. A stream that shares
/// its circuit ends as in order, since Arti ends each stream with the same reason. So does every
/// accepted stream, whose circuit is its client's, and every stream behind an exit: an exit closes
/// its connection to the target in the same way after either.
/// A receiver that must know has TLS above, or frames.
pub struct ArtiIo {
    inner: DataStream,
    client: Arc<Client>,
    /// It was shut down here.
    ended: bool,
    /// None for a stream that does not know its circuit.
    circuit: Option<OnCircuit>,
}

impl ArtiIo {
    /// A stream that was dialed; `exclusive`: no other is ever let on its circuit.
    pub(super) fn dialed(inner: DataStream, client: Arc<Client>, exclusive: bool) -> Self {
        let tunnel = tunnel(&inner);
        let joined = |id| client.sharing().joined(id, exclusive);
        let circuit = tunnel.map(|tunnel| joined(tunnel.unique_id()));
        Self {
            inner,
            client,
            ended: false,
            circuit,
        }
    }

    /// A stream of the onion service, which keeps its circuit.
    pub(super) const fn accepted(
        inner: DataStream,
        client: Arc<Client>,
        kept: TaskTrackerToken,
    ) -> Self {
        Self {
            inner,
            client,
            ended: false,
            circuit: Some(OnCircuit::Accepted(kept)),
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

/// The circuit that a stream is on, while it is there.
fn tunnel(stream: &DataStream) -> Option<Arc<ClientTunnel>> {
    stream
        .client_stream_ctrl()
        .and_then(|control| control.tunnel())
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
    /// Ends the circuit of a dialed stream where no other stream is on it; else only closes the
    /// stream, and the peer sees an end in order. See [`ArtiIo`].
    fn abort(&mut self) {
        let (Some(circuit), Some(tunnel)) = (&self.circuit, tunnel(&self.inner)) else {
            return;
        };
        // The circuit of an accepted stream is its client's, which may be about to dial on it again:
        // that dial would get no answer.
        let Some(id) = circuit.dialed() else {
            return;
        };
        let Some(circuits) = self.client.tor().and_then(|tor| tor.circmgr().ok()) else {
            return;
        };
        if !circuit.is_alone() {
            return;
        }
        // First of all no further dial gets it.
        circuits.retire_circ(id);
        if circuit.is_alone() {
            tunnel.terminate();
        }
    }
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
