//! An admitted connection during its handshake.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};

use pin_project_lite::pin_project;
use transport_core::{Backend, Connection, Io, Op, PeerAddr, Pending, TransportError};

use crate::conn_settings::ConnSettings;
use crate::deadline::{until, UntilDeadline};
use crate::identify::{identify, Identifying};
use crate::io::GuardedIo;
use crate::limiter::Limiter;
use crate::pending_conn::PendingConn;
use crate::permit::Permit;

/// An admitted connection before its handshake.
///
/// Dropping it refuses the peer and frees its place.
#[derive(Debug)]
pub struct Admitted<P> {
    pending: P,
    conn: PendingConn,
}

impl<P: Pending> Admitted<P> {
    pub(crate) fn new(
        pending: P,
        permit: Permit,
        limiter: &Limiter,
        backend: Backend,
        accepted_at: u64,
    ) -> Self {
        let (peer, id) = (pending.peer(), Limiter::next_id());
        let is_hop = pending.hop_timeout().is_some();
        let conn = PendingConn {
            permit,
            limiter: limiter.clone(),
            backend,
            peer: (!is_hop).then_some(peer),
            via: is_hop.then_some(peer),
            id,
            accepted_at,
        };
        conn.limiter
            .core()
            .events()
            .accepted(backend, conn.labels());
        Self { pending, conn }
    }

    /// Returns the peer's address, or that of the hop before it.
    pub fn peer(&self) -> PeerAddr {
        self.pending.peer()
    }

    /// Returns the connection's number; `conn_id` in logs.
    pub const fn id(&self) -> u64 {
        self.conn.id
    }

    /// Returns whether [`establish`](Self::establish) may wait for the peer.
    ///
    /// If not, an accept loop can await it without a task.
    pub fn may_wait(&self) -> bool {
        P::HANDSHAKE || self.pending.hop_timeout().is_some()
    }

    /// Runs the handshake within its deadline.
    ///
    /// Behind a hop, it identifies and admits the peer first.
    ///
    /// # Errors
    /// [`TransportError::Timeout`] with [`Op::Handshake`] or [`Op::ProxyHeader`],
    /// [`TransportError::Refused`] if a limit refuses the peer behind a hop, or the backend's failure.
    /// It counts as a reject if it has a [reason](TransportError::reason), else as a close.
    ///
    /// # Cancel safety
    /// Dropping the future refuses the peer.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn establish(
        self,
    ) -> impl Future<Output = Result<Connection<GuardedIo<P::Io>>, TransportError>> + Send {
        let Self { pending, conn } = self;
        let settings = conn.limiter.core().settings();
        let mut guarded = GuardedHandshake {
            handshake: None,
            identifying: None,
            start: P::establish,
            conn: None,
        };
        if let Some(limit) = pending.hop_timeout() {
            guarded.identifying = Some(Box::pin(identify(pending, conn, settings, limit)));
        } else {
            let deadline = conn.deadline(settings.handshake);
            guarded.handshake = Some(until(deadline, pending.establish()));
            guarded.conn = Some((conn, settings));
        }
        guarded
    }
}

pin_project! {
    /// A handshake with its deadline. An `async` block would store the future twice.
    struct GuardedHandshake<P, S, F> {
        // First, so that the socket is closed before the permit is given back.
        #[pin]
        handshake: Option<UntilDeadline<F>>,
        // Boxed: most connections have no hop.
        identifying: Option<Identifying<P>>,
        // Begins the handshake once the peer is known.
        start: S,
        conn: Option<(PendingConn, Arc<ConnSettings>)>,
    }
}

impl<P, S, I, F> Future for GuardedHandshake<P, S, F>
where
    S: Fn(P) -> F,
    I: Io,
    F: Future<Output = Result<Connection<I>, TransportError>>,
{
    type Output = Result<Connection<GuardedIo<I>>, TransportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(identifying) = this.identifying {
            let identified = ready!(identifying.as_mut().poll(cx));
            *this.identifying = None;
            let (pending, conn, settings) = identified?;
            let deadline = conn.deadline(settings.handshake);
            this.handshake
                .set(Some(until(deadline, (this.start)(pending))));
            *this.conn = Some((conn, settings));
        }
        let result = match this.handshake.as_mut().as_pin_mut() {
            Some(handshake) => ready!(handshake.poll(cx)),
            // Polled after completion.
            None => return Poll::Pending,
        };
        this.handshake.set(None);
        let Some((conn, settings)) = this.conn.take() else {
            return Poll::Pending;
        };
        let result = result.unwrap_or(Err(TransportError::Timeout { op: Op::Handshake }));
        Poll::Ready(conn.end(settings, result))
    }
}
