//! A stream over Tor.

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

use crate::client::{StreamOnCircuit, TorInstance};
use crate::health::Evidence;

/// A stream over Tor.
///
/// **Writes** are gathered into cells. A cell is sent once it is full or on a flush.
///
/// **No half-close.** A shutdown flushes and ends both directions, after which reads report the end
/// of the stream. Data that the peer sent and this side had not read by then may be lost. A relay
/// that needs the response uses the relay for streams without half-close in
/// [`transport_limits`].
///
/// **Abort.** [`abort`](Io::abort) makes an onion service see an error only if the dialed stream is
/// alone on its circuit, as with `arti.isolation = "stream"`: the circuit ends with the stream.
/// Otherwise the peer sees an orderly end, because Arti ends every stream with the same reason.
/// The same holds for every accepted stream, whose circuit belongs to the client, and for every
/// stream through an exit, which closes its connection to the target in the same way after either.
/// A receiver that must know the difference uses TLS or frames above.
pub struct ArtiIo {
    inner: DataStream,
    instance: Arc<TorInstance>,
    /// True after a shutdown by this side.
    ended: bool,
    /// `None` if Arti does not report the circuit.
    circuit: Option<StreamOnCircuit>,
}

impl ArtiIo {
    /// A dialed stream; `exclusive` if no other stream joins its circuit.
    pub(super) fn dialed(inner: DataStream, instance: Arc<TorInstance>, exclusive: bool) -> Self {
        let tunnel = tunnel(&inner);
        let join = |id| instance.circuit_streams().join(id, exclusive);
        let circuit = tunnel.map(|tunnel| join(tunnel.unique_id()));
        Self {
            inner,
            instance,
            ended: false,
            circuit,
        }
    }

    /// A stream of the onion service; the token keeps its circuit open.
    pub(super) const fn accepted(
        inner: DataStream,
        instance: Arc<TorInstance>,
        kept: TaskTrackerToken,
    ) -> Self {
        Self {
            inner,
            instance,
            ended: false,
            circuit: Some(StreamOnCircuit::Accepted(kept)),
        }
    }

    /// Returns the result unchanged; reports a failure as doubt about the network.
    fn observed<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(_)) = &polled {
            self.instance.report(Evidence::Doubt);
        }
        polled
    }
}

/// The stream's circuit; `None` once it has ended.
fn tunnel(stream: &DataStream) -> Option<Arc<ClientTunnel>> {
    stream
        .client_stream_ctrl()
        .and_then(|control| control.tunnel())
}

/// Returns whether the error is the peer's orderly end of the stream.
///
/// Tor clients and Arti's onion services send the reason MISC for an orderly end, since other
/// reasons reveal too much (tor-spec, "Closing streams").
fn is_orderly_end(error: &io::Error) -> bool {
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
    /// Ends the circuit if this dialed stream is alone on it.
    ///
    /// Otherwise it closes the stream, and the peer sees an orderly end; see [`ArtiIo`].
    fn abort(&mut self) {
        let (Some(circuit), Some(tunnel)) = (&self.circuit, tunnel(&self.inner)) else {
            return;
        };
        // The circuit of an accepted stream belongs to the client. If the client dials on it at
        // this moment, that dial would get no answer.
        let Some(id) = circuit.dialed() else {
            return;
        };
        let Some(circuits) = self.instance.tor().and_then(|tor| tor.circmgr().ok()) else {
            return;
        };
        if !circuit.is_alone() {
            return;
        }
        // Retired first, so that no later dial joins it.
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
            Poll::Ready(Err(error)) if self.ended || is_orderly_end(&error) => Poll::Ready(Ok(())),
            polled => polled,
        };
        if buf.filled().len() > before {
            self.instance.record_received();
        }
        self.observed(polled)
    }
}

impl AsyncWrite for ArtiIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = AsyncWrite::poll_write(Pin::new(&mut self.inner), cx, buf);
        self.observed(polled)
    }

    /// Writes one buffer after the other; Arti gathers them into cells.
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
                // The next write returns this result again if it persists.
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
        self.observed(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = AsyncWrite::poll_shutdown(Pin::new(&mut self.inner), cx);
        self.ended |= matches!(polled, Poll::Ready(Ok(())));
        self.observed(polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orderly_end_distinguished_from_failure() {
        let ended = |reason| io::Error::from(tor_proto::Error::EndReceived(reason));
        assert!(is_orderly_end(&ended(EndReason::MISC)) && is_orderly_end(&ended(EndReason::DONE)));
        assert!(
            !is_orderly_end(&ended(EndReason::CONNRESET))
                && !is_orderly_end(&ended(EndReason::DESTROY))
        );
        assert!(!is_orderly_end(&io::Error::other("x")));
        assert!(!is_orderly_end(&io::Error::from(
            tor_proto::Error::CircuitClosed
        )));
    }
}
