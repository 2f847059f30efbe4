//! Connections on their way to a server that drains itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use ron_transport::{Incoming, Transport, TransportError};
use tokio::time::{timeout_at, Instant};

use crate::handover_progress::Progress;
use crate::ServerConn;

/// Time for the last connections and their first bytes during a drain.
///
/// The client of such a connection connected before the drain, and may have sent a request.
const LAST_CONNS: Duration = Duration::from_secs(1);

/// A transport's connections for a server.
///
/// A server that is told to shut down takes no further connection, and closes the ones that have no
/// request yet. So [`draining`](Self::draining) waits until it has all of them.
#[derive(Debug)]
pub(crate) struct Handover {
    incoming: Incoming,
    transport: Arc<Transport>,
    progress: Progress,
}

impl Handover {
    pub(crate) fn new(transport: &Arc<Transport>) -> Result<Self, TransportError> {
        Ok(Self {
            incoming: transport.incoming()?,
            transport: Arc::clone(transport),
            progress: Progress::new(),
        })
    }

    #[cfg(feature = "axum")]
    pub(crate) async fn next(&mut self) -> Option<ServerConn> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<ServerConn>> {
        let Some(conn) = ready!(Pin::new(&mut self.incoming).poll_next(cx)) else {
            self.progress.end();
            return Poll::Ready(None);
        };
        let silent = self.progress.handed_over();
        Poll::Ready(Some(ServerConn::new(conn, silent)))
    }

    /// Resolves during a drain, once the server has every first byte.
    ///
    /// It waits at most [`LAST_CONNS`].
    pub(crate) fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        let drain = self.transport.draining();
        let mut counts = self.progress.subscribe();
        async move {
            drain.await;
            let limit = Instant::now() + LAST_CONNS;
            let _ = timeout_at(limit, counts.wait_for(|counts| counts.ended)).await;
            let last = counts.borrow().last + LAST_CONNS;
            let _ = timeout_at(
                limit.min(last),
                counts.wait_for(|counts| counts.silent == 0),
            )
            .await;
        }
    }
}
