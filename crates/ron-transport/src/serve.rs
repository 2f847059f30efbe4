//! The accept loop and the tasks of accepted connections.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::Instrument;
use transport_core::{Listener, Pending, TaskKind, TransportError};
use transport_limits::{Guard, Incoming};

use crate::backend::AnyListener;
use crate::conn::Conn;
use crate::establish::establish;
use crate::transport::Shared;

/// How long a handler may take to return once its connection has ended; well within the 100 ms
/// in which a cancelled connection has stopped all its tasks.
const GRACE: Duration = Duration::from_millis(50);
/// A turn of the reactor, after which no client waits unseen.
const LAST_LOOK: Duration = Duration::from_millis(1);
/// Connections that are taken from the backlog when accepting ends, at most: clients that go on
/// connecting must not keep the listener open.
const BACKLOG: usize = 4096;

/// Accepts until the transport stops.
pub(crate) async fn run<H, F>(listener: &mut AnyListener, shared: &Arc<Shared>, handler: Arc<H>)
where
    H: Fn(Conn) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    match listener {
        AnyListener::Tcp(guard) => accept(guard, shared, &handler).await,
        #[cfg(feature = "tls")]
        AnyListener::Tls(guard) => accept(guard, shared, &handler).await,
        #[cfg(feature = "uds")]
        AnyListener::Uds(guard) => accept(guard, shared, &handler).await,
        #[cfg(feature = "arti")]
        AnyListener::Arti(guard, _) => accept(guard, shared, &handler).await,
    }
}

async fn accept<L, H, F>(guard: &mut Guard<L>, shared: &Arc<Shared>, handler: &Arc<H>)
where
    L: Listener,
    H: Fn(Conn) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let stopped = shared.stop.cancelled();
    tokio::pin!(stopped);
    loop {
        let incoming = tokio::select! {
            biased;
            () = &mut stopped => break,
            incoming = guard.accept() => incoming,
        };
        begin(incoming, shared, handler).await;
    }
    // The kernel has told these clients that they are connected: they are served.
    for _ in 0..BACKLOG {
        match waiting(guard.accept()).await {
            Some(incoming) => begin(incoming, shared, handler).await,
            None => return,
        }
    }
}

/// Returns what is there without waiting for more.
pub(crate) async fn waiting<F: Future>(accept: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        accepted = accept => Some(accepted),
        () = sleep(LAST_LOOK) => None,
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
    let tasks = shared.limiter.tasks();
    if P::HANDSHAKE {
        // Boxed, so that what a handshake needs is freed when it is over.
        let establishing = Box::pin(establish(incoming, Arc::clone(shared)));
        let establishing = tasks.counted(TaskKind::Handshake, establishing);
        tasks.spawn_counted(async move {
            if let Some(conn) = establishing.await {
                let handling = handle(conn, Arc::clone(&also_shared), handler);
                let tasks = also_shared.limiter.tasks();
                let handling = tasks.counted(TaskKind::Serve, handling);
                drop(also_shared);
                handling.await;
            }
        });
    } else if let Some(conn) = establish(incoming, also_shared).await {
        // Here, not in a task: a burst of accepts must not fill the places of pending handshakes
        // before their tasks run.
        let handling = handle(conn, Arc::clone(shared), handler);
        tasks.spawn(TaskKind::Serve, handling);
    }
}

/// Runs the handler against the end of its connection.
fn handle<H, F>(
    conn: Conn,
    shared: Arc<Shared>,
    handler: Arc<H>,
) -> tracing::instrument::Instrumented<impl Future<Output = ()> + Send>
where
    H: Fn(Conn) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let span = tracing::info_span!(
        target: "ron_transport",
        "conn",
        conn_id = conn.control().id(),
        backend = conn.info().backend.as_str(),
    );
    run_handler(conn, shared, handler).instrument(span)
}

async fn run_handler<H, F>(conn: Conn, shared: Arc<Shared>, handler: Arc<H>)
where
    H: Fn(Conn) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let control = conn.control().clone();
    let _panic = control.abort_on_panic();
    let handling = handler(conn);
    tokio::pin!(handling);
    let ended = tokio::select! {
        biased;
        () = &mut handling => {
            // A stream that the handler has handed on is still closed at its deadlines.
            control.ended().await;
            return;
        }
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
