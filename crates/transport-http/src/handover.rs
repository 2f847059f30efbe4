//! Connections on their way to a server that drains itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use ron_transport::{Incoming, Transport, TransportError};
use tokio::sync::watch;
use tokio::time::{timeout_at, Instant};

use crate::ServerConn;

/// Time for the last handshakes, and for a new connection's first byte, during a drain.
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

    /// Resolves during a drain, once the server has every connection and its first bytes.
    ///
    /// It waits at most [`LAST_CONNS`].
    pub(crate) fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        let drain = self.transport.draining();
        let mut counts = self.progress.0.subscribe();
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

/// The connections that a server has received.
#[derive(Debug, Clone)]
struct Progress(Arc<watch::Sender<Counts>>);

#[derive(Debug)]
struct Counts {
    /// Whether the stream of connections has ended.
    ended: bool,
    /// Open connections without a byte from the client.
    silent: usize,
    /// The time of the last connection.
    last: Instant,
}

impl Progress {
    fn new() -> Self {
        let counts = Counts {
            ended: false,
            silent: 0,
            last: Instant::now(),
        };
        Self(Arc::new(watch::Sender::new(counts)))
    }

    fn end(&self) {
        self.0.send_modify(|counts| counts.ended = true);
    }

    fn handed_over(&self) -> Silent {
        self.0.send_modify(|counts| {
            counts.silent += 1;
            counts.last = Instant::now();
        });
        Silent(self.clone())
    }
}

/// Counts a connection as silent; dropped with the client's first byte.
#[derive(Debug)]
pub(crate) struct Silent(Progress);

impl Drop for Silent {
    fn drop(&mut self) {
        self.0 .0.send_modify(|counts| counts.silent -= 1);
    }
}
