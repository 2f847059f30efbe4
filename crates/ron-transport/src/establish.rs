//! A connection on its way to being established.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::sleep;
use transport_core::{Connection, Io, Pending, TaskKind, TransportError};
use transport_limits::{GuardedIo, Incoming};

use crate::conn::Conn;
use crate::transport::Shared;

/// How long a drain lets handshakes go on: as long as a connection without a byte.
const HANDSHAKE_GRACE: Duration = Duration::from_secs(1);

/// Establishes a connection, unless it comes too late in a drain; why it failed was counted and
/// logged where it happened.
pub(crate) fn establish<P: Pending>(
    incoming: Incoming<P>,
    shared: Arc<Shared>,
) -> impl Future<Output = Option<Conn>> + Send {
    Establishing {
        shaking: incoming.establish(),
        too_late: too_late(Arc::clone(&shared)),
        shared,
    }
}

pin_project! {
    /// An `async` block would hold what it awaits twice.
    struct Establishing<F, L> {
        #[pin]
        shaking: F,
        #[pin]
        too_late: L,
        shared: Arc<Shared>,
    }
}

impl<I, F, L> Future for Establishing<F, L>
where
    I: Io,
    F: Future<Output = Result<Connection<GuardedIo<I>>, TransportError>>,
    L: Future<Output = ()>,
{
    type Output = Option<Conn>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Conn>> {
        let this = self.project();
        if let Poll::Ready(shaken) = this.shaking.poll(cx) {
            return Poll::Ready(shaken.map(Conn::new).ok());
        }
        ready!(this.too_late.poll(cx));
        this.shared.limiter.tasks().aborted(TaskKind::Handshake);
        Poll::Ready(None)
    }
}

/// Waits until a drain waits for no handshake any more.
async fn too_late(shared: Arc<Shared>) {
    shared.stop.cancelled().await;
    // Boxed, so that handshakes without a drain do not carry it.
    Box::pin(async {
        tokio::select! {
            () = shared.kill.cancelled() => {}
            () = sleep(HANDSHAKE_GRACE) => {}
        }
    })
    .await;
}
