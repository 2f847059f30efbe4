//! The accept loop and the tasks of accepted connections.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::Instrument;
use transport_core::{Pending, TaskKind, TransportError};
use transport_limits::Incoming;

use crate::backend::{AnyIncoming, AnyListener};
use crate::conn::Conn;
use crate::transport::Shared;

/// How long a handler may take to return once its connection has ended; well within the 100 ms
/// in which a cancelled connection has stopped all its tasks.
const GRACE: Duration = Duration::from_millis(50);

/// Accepts until the transport stops.
pub(crate) async fn run<H, F>(listener: &mut AnyListener, shared: &Arc<Shared>, handler: Arc<H>)
where
    H: Fn(Conn) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let stopped = shared.stop.cancelled();
    tokio::pin!(stopped);
    loop {
        let incoming = tokio::select! {
            biased;
            () = &mut stopped => return,
            incoming = listener.accept() => incoming,
        };
        match incoming {
            AnyIncoming::Tcp(incoming) => begin(incoming, shared, &handler).await,
            #[cfg(feature = "tls")]
            AnyIncoming::Tls(incoming) => begin(*incoming, shared, &handler).await,
            #[cfg(feature = "uds")]
            AnyIncoming::Uds(incoming) => begin(incoming, shared, &handler).await,
        }
    }
}

/// Establishes a connection, as a task of its own where that may have to wait for the peer.
async fn begin<P, H, F>(incoming: Incoming<P>, shared: &Arc<Shared>, handler: &Arc<H>)
where
    P: Pending,
    H: Fn(Conn) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (also_shared, handler) = (Arc::clone(shared), Arc::clone(handler));
    if P::HANDSHAKE {
        // Boxed, since a future is moved several times before it is a task.
        let task = Box::pin(establish(incoming, also_shared, handler));
        shared.limiter.tasks().spawn(TaskKind::Handshake, task);
    } else {
        // A burst of accepts must not fill the places of pending handshakes before their tasks run.
        establish(incoming, also_shared, handler).await;
    }
}

/// Establishes a connection and hands it to a task of its own, so that what a handshake needs is
/// freed with its task.
async fn establish<P, H, F>(incoming: Incoming<P>, shared: Arc<Shared>, handler: Arc<H>)
where
    P: Pending,
    H: Fn(Conn) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let tasks = shared.limiter.tasks();
    let conn = tokio::select! {
        biased;
        () = shared.stop.cancelled() => return tasks.aborted(TaskKind::Handshake),
        conn = incoming.establish() => conn,
    };
    // A failure was counted and logged where it happened.
    let Ok(conn) = conn.map(Conn::new) else {
        return;
    };
    let span = tracing::info_span!(
        target: "ron_transport",
        "conn",
        conn_id = conn.control().id(),
        backend = conn.info().backend.as_str(),
    );
    let task = handle(conn, Arc::clone(&shared), handler);
    tasks.spawn(TaskKind::Serve, task.instrument(span));
}

/// Runs the handler against the end of its connection.
async fn handle<H, F>(conn: Conn, shared: Arc<Shared>, handler: Arc<H>)
where
    H: Fn(Conn) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let control = conn.control().clone();
    let handling = handler(conn);
    tokio::pin!(handling);
    let ended = tokio::select! {
        biased;
        () = &mut handling => return,
        ended = control.ended() => ended,
    };
    let finished = match ended {
        // The handler closed its stream and may have more to do.
        TransportError::Closed => tokio::select! {
            biased;
            () = &mut handling => true,
            () = shared.kill.cancelled() => timeout(GRACE, &mut handling).await.is_ok(),
        },
        _ => timeout(GRACE, &mut handling).await.is_ok(),
    };
    if !finished {
        shared.limiter.tasks().aborted(TaskKind::Serve);
    }
}
