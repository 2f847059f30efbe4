//! An admitted connection during its handshake.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};

use pin_project_lite::pin_project;
use transport_core::{Backend, Connection, Io, Op, PeerAddr, Pending, TransportError};

use crate::clock::{duration, ticks};
use crate::conn_settings::ConnSettings;
use crate::deadline::{until, UntilDeadline};
use crate::establish::guarded;
use crate::event::ConnLabels;
use crate::io::GuardedIo;
use crate::limiter::Limiter;
use crate::permit::Permit;

/// An admitted connection before its handshake.
///
/// Dropping it refuses the peer and frees its place.
#[derive(Debug)]
pub struct Admitted<P> {
    pending: P,
    conn: PendingConn,
}

#[derive(Debug)]
struct PendingConn {
    permit: Permit,
    limiter: Limiter,
    backend: Backend,
    peer: PeerAddr,
    id: u64,
    /// In ticks.
    accepted_at: u64,
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
        limiter.core().events().accepted(backend, id, peer);
        Self {
            pending,
            conn: PendingConn {
                permit,
                limiter: limiter.clone(),
                backend,
                peer,
                id,
                accepted_at,
            },
        }
    }

    /// Returns the peer's address.
    pub const fn peer(&self) -> PeerAddr {
        self.conn.peer
    }

    /// Returns the connection's number; `conn_id` in logs.
    pub const fn id(&self) -> u64 {
        self.conn.id
    }

    /// Runs the handshake within its deadline.
    ///
    /// # Errors
    /// [`TransportError::Timeout`] with [`Op::Handshake`], or the backend's failure. It counts as a
    /// reject if it has a [reason](TransportError::reason), else as a close.
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
        let core = conn.limiter.core();
        let settings = core.settings();
        let deadline = conn.accepted_at.saturating_add(ticks(settings.handshake));
        let deadline = core.instant(deadline);
        GuardedHandshake {
            handshake: Some(until(deadline, pending.establish())),
            conn: Some((conn, settings)),
        }
    }
}

pin_project! {
    /// A handshake with its deadline. An `async` block would store the future twice.
    struct GuardedHandshake<F> {
        // First, so that the socket is closed before the permit is given back.
        #[pin]
        handshake: Option<UntilDeadline<F>>,
        conn: Option<(PendingConn, Arc<ConnSettings>)>,
    }
}

impl<I, F> Future for GuardedHandshake<F>
where
    I: Io,
    F: Future<Output = Result<Connection<I>, TransportError>>,
{
    type Output = Result<Connection<GuardedIo<I>>, TransportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
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

impl PendingConn {
    /// Counts and logs the end of the handshake.
    fn end<I: Io>(
        self,
        settings: Arc<ConnSettings>,
        result: Result<Connection<I>, TransportError>,
    ) -> Result<Connection<GuardedIo<I>>, TransportError> {
        let Self {
            permit,
            limiter,
            backend,
            peer,
            id,
            accepted_at,
        } = self;
        let core = limiter.core();
        let events = core.events();
        let now = core.now();
        let took = duration(now.saturating_sub(accepted_at));
        match result {
            Ok(connection) => {
                core.observer().handshake(backend, took);
                let connection = guarded(limiter.clone(), permit, id, connection, settings, now);
                events.established(connection.info(), took);
                Ok(connection)
            }
            Err(error) => {
                let conn = ConnLabels {
                    conn_id: Some(id),
                    peer: Some(peer),
                    ..ConnLabels::default()
                };
                if let Some(reason) = error.reason() {
                    events.handshake_failed(backend, id, took, &error);
                    core.rejected(reason, backend, conn, Some(&error));
                } else {
                    let reason = error.close_reason();
                    core.observer().closed(backend, reason);
                    events.closed_early(backend, conn, took, reason, &error);
                }
                Err(error)
            }
        }
    }
}
