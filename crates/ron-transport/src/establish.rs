//! Runs the handshake of an accepted connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::sleep;
use transport_core::{Connection, Io, Pending, TaskKind, TransportError};
use transport_limits::{Admitted, GuardedIo};

use crate::conn::Conn;
use crate::state::TransportState;

/// Time for handshakes to complete during a drain.
///
/// It equals the time of a connection without a byte.
const HANDSHAKE_GRACE: Duration = Duration::from_secs(1);

/// Establishes a connection.
///
/// `None` if the handshake fails or a drain ends first. The guard counts and logs failures.
pub(crate) fn establish<P: Pending>(
    admitted: Admitted<P>,
    state: Arc<TransportState>,
) -> impl Future<Output = Option<Conn>> + Send {
    HandshakeOrDrain {
        handshake: admitted.establish(),
        drained: handshakes_drained(Arc::clone(&state)),
        state,
    }
}

pin_project! {
    /// A handshake that a drain ends. An `async` block would store the handshake twice.
    struct HandshakeOrDrain<F, D> {
        #[pin]
        handshake: F,
        #[pin]
        drained: D,
        state: Arc<TransportState>,
    }
}

impl<I, F, D> Future for HandshakeOrDrain<F, D>
where
    I: Io,
    F: Future<Output = Result<Connection<GuardedIo<I>>, TransportError>>,
    D: Future<Output = ()>,
{
    type Output = Option<Conn>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Conn>> {
        let this = self.project();
        if let Poll::Ready(result) = this.handshake.poll(cx) {
            return Poll::Ready(result.map(Conn::new).ok());
        }
        ready!(this.drained.poll(cx));
        this.state.limiter.tasks().aborted(TaskKind::Handshake);
        Poll::Ready(None)
    }
}

/// Resolves when a drain no longer waits for handshakes.
async fn handshakes_drained(state: Arc<TransportState>) {
    state.stop.cancelled().await;
    // Boxed, so that a handshake outside of a drain does not store the timer.
    Box::pin(async {
        tokio::select! {
            () = state.kill.cancelled() => {}
            () = sleep(HANDSHAKE_GRACE) => {}
        }
    })
    .await;
}
