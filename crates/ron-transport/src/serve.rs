//! The accept loop and the tasks of accepted connections.

use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{sleep, timeout, Instant};
use tracing::instrument::{Instrument, Instrumented};
use transport_core::{Listener, Pending, TaskKind, TransportError};
use transport_limits::{Admitted, Control, Guard};

use crate::backend::{AnyListener, CustomGuard};
use crate::conn::Conn;
use crate::establish::establish;
use crate::handler::{HandlerOutput, LogError};
use crate::state::TransportState;

/// Time for a handler to return once its connection has ended. Well within the 100 ms after which
/// a cancelled connection has no task left.
const HANDLER_GRACE: Duration = Duration::from_millis(50);
/// One turn of the reactor.
///
/// After it, every connection of the backlog has been reported.
const REACTOR_TURN: Duration = Duration::from_millis(1);
/// Time for an accept loop to empty the backlog when accepting ends.
///
/// Clients that keep connecting would keep the listener open.
pub(crate) const BACKLOG_TIMEOUT: Duration = Duration::from_secs(1);

/// The work that follows the handshake of an accepted connection.
pub(crate) trait Established: Clone + Send + Sync + 'static {
    /// Runs in a tracked task.
    fn established(
        self,
        conn: Conn,
        state: Arc<TransportState>,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// Runs a handler for each connection.
pub(crate) struct RunHandler<H>(Arc<H>);

impl<H> RunHandler<H> {
    pub(crate) fn new(handler: H) -> Self {
        Self(Arc::new(handler))
    }
}

impl<H> Clone for RunHandler<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H, F> Established for RunHandler<H>
where
    H: Fn(Conn) -> F + Send + Sync + 'static,
    F: Future + Send + 'static,
    F::Output: HandlerOutput,
{
    fn established(
        self,
        conn: Conn,
        state: Arc<TransportState>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let span = conn.span();
        let future = run_handler(conn, state, self.0);
        if span.is_disabled() {
            MaybeInSpan::Outside { future }
        } else {
            MaybeInSpan::Inside {
                future: Box::pin(future.instrument(span)),
            }
        }
    }
}

pin_project! {
    /// A future in its span. Without one, it does not hold the place of one.
    #[project = MaybeInSpanPin]
    enum MaybeInSpan<F> {
        Outside {
            #[pin]
            future: F,
        },
        Inside {
            future: Pin<Box<Instrumented<F>>>,
        },
    }
}

impl<F: Future> Future for MaybeInSpan<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            MaybeInSpanPin::Outside { future } => future.poll(cx),
            MaybeInSpanPin::Inside { future } => future.as_mut().poll(cx),
        }
    }
}

/// Accepts connections until the transport stops.
pub(crate) async fn run<E: Established>(
    listener: &mut AnyListener,
    state: &Arc<TransportState>,
    then: &E,
) {
    match listener {
        AnyListener::Tcp(guard) => accept(guard, state, then).await,
        #[cfg(feature = "tls")]
        AnyListener::Tls(guard) => accept(guard, state, then).await,
        #[cfg(feature = "uds")]
        AnyListener::Uds(guard) => accept(guard, state, then).await,
        #[cfg(feature = "arti")]
        AnyListener::Arti(guard, _) => accept(guard, state, then).await,
        AnyListener::Custom(custom, _) => match custom {
            CustomGuard::Handshake(guard) => accept(guard, state, then).await,
            CustomGuard::Instant(guard) => accept(guard, state, then).await,
            #[cfg(feature = "tls")]
            CustomGuard::Tls(guard) => accept(guard, state, then).await,
        },
    }
}

async fn accept<L, E>(guard: &mut Guard<L>, state: &Arc<TransportState>, then: &E)
where
    L: Listener,
    E: Established,
{
    let stopped = state.stop.cancelled();
    tokio::pin!(stopped);
    loop {
        let admitted = tokio::select! {
            biased;
            () = &mut stopped => break,
            admitted = guard.accept() => admitted,
        };
        begin(admitted, state, then).await;
    }
    // The kernel has completed these connections: the clients expect service.
    let until = Instant::now() + BACKLOG_TIMEOUT;
    while Instant::now() < until {
        match accept_now(guard.accept()).await {
            Some(admitted) => begin(admitted, state, then).await,
            None => return,
        }
    }
}

/// Accepts a connection of the backlog; `None` when the backlog is empty.
pub(crate) async fn accept_now<F: Future>(accept: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        accepted = accept => Some(accepted),
        () = sleep(REACTOR_TURN) => None,
    }
}

/// Establishes a connection.
///
/// In a task of its own if the handshake may wait for the peer.
async fn begin<P, E>(admitted: Admitted<P>, state: &Arc<TransportState>, then: &E)
where
    P: Pending,
    E: Established,
{
    let (also_state, then) = (Arc::clone(state), then.clone());
    let tasks = state.limiter.tasks();
    if admitted.may_wait() {
        // Boxed, so that the memory of the handshake is freed when it is over.
        let establishing = Box::pin(establish(admitted, Arc::clone(state)));
        let establishing = tasks.counted(TaskKind::Handshake, establishing);
        let serve = move |conn| {
            let handling = then.established(conn, Arc::clone(&also_state));
            let tasks = also_state.limiter.tasks();
            tasks.counted(TaskKind::Serve, handling)
        };
        tasks.spawn_counted(HandshakeThenServe::Handshake {
            establishing,
            serve: Some(serve),
        });
    } else if let Some(conn) = establish(admitted, also_state).await {
        // Not in a task: a burst of accepts would fill the pending handshakes before the tasks run.
        let handling = then.established(conn, Arc::clone(state));
        tasks.spawn(TaskKind::Serve, handling);
    }
}

pin_project! {
    /// A handshake, and then the work of its connection.
    ///
    /// An `async` block would keep the place of both.
    #[project = HandshakeThenServePin]
    enum HandshakeThenServe<E, S, F> {
        Handshake {
            #[pin]
            establishing: E,
            serve: Option<S>,
        },
        Serve {
            #[pin]
            serving: F,
        },
    }
}

impl<E, S, F> Future for HandshakeThenServe<E, S, F>
where
    E: Future<Output = Option<Conn>>,
    S: FnOnce(Conn) -> F,
    F: Future<Output = ()>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.as_mut().project() {
                HandshakeThenServePin::Handshake {
                    establishing,
                    serve,
                } => {
                    let conn = ready!(establishing.poll(cx));
                    let (Some(conn), Some(serve)) = (conn, serve.take()) else {
                        return Poll::Ready(());
                    };
                    let serving = serve(conn);
                    self.set(Self::Serve { serving });
                }
                HandshakeThenServePin::Serve { serving } => return serving.poll(cx),
            }
        }
    }
}

/// Runs the handler until it returns or its connection ends.
///
/// Each idle connection holds this future, so rare waits are boxed. An `async fn` would store its
/// arguments twice.
#[allow(clippy::manual_async_fn)]
fn run_handler<H, F>(
    conn: Conn,
    state: Arc<TransportState>,
    handler: Arc<H>,
) -> impl Future<Output = ()> + Send
where
    H: Fn(Conn) -> F + Send + Sync + 'static,
    F: Future + Send + 'static,
    F::Output: HandlerOutput,
{
    async move {
        let on_panic = conn.control().abort_on_panic();
        let mut handling = pin!(start(conn, &*handler));
        let control = on_panic.control();
        let ended = tokio::select! {
            biased;
            () = &mut handling => None,
            ended = control.ended() => Some(ended),
        };
        Box::pin(finish(handling, ended, control, &state)).await;
    }
}

/// Calls the handler. Not in the caller, which would keep a place for the connection.
fn start<H, F>(conn: Conn, handler: &H) -> LogError<F>
where
    H: Fn(Conn) -> F,
{
    let control = conn.control().clone();
    LogError::new(handler(conn), control)
}

/// Waits for the later end: that of the connection, or its handler.
async fn finish(
    mut handling: Pin<&mut impl Future<Output = ()>>,
    ended: Option<TransportError>,
    control: &Control,
    state: &TransportState,
) {
    let finished = match ended {
        None => {
            // The handler may have moved the stream to another task: its deadlines still apply.
            control.ended().await;
            true
        }
        // The handler closed its stream and may still be working.
        Some(TransportError::Closed) => tokio::select! {
            biased;
            () = &mut handling => true,
            () = state.kill.cancelled() => timeout(HANDLER_GRACE, &mut handling).await.is_ok(),
        },
        Some(_) => timeout(HANDLER_GRACE, &mut handling).await.is_ok(),
    };
    if !finished {
        state.limiter.tasks().aborted(TaskKind::Serve);
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn bytes_of_future<A, B, C, F>(_: impl FnOnce(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// Each idle connection holds this future.
    #[test]
    fn handler_task_is_small() {
        let bytes = bytes_of_future(run_handler::<fn(Conn) -> Boxed, Boxed>);
        assert!(bytes <= 376, "{bytes} bytes");
    }
}
