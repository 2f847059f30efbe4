//! An admitted connection on its way through the handshake.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};

use pin_project_lite::pin_project;
use transport_core::{Backend, Connection, Io, Op, PeerAddr, Pending, TransportError};

use crate::admission::Permit;
use crate::clock::{duration, ticks};
use crate::conn_settings::ConnSettings;
use crate::deadline::{until, UntilDeadline};
use crate::event::{self, ConnLabels};
use crate::guard::guarded;
use crate::io::GuardedIo;
use crate::limiter::Limiter;

/// An admitted connection before its handshake. Dropping it refuses the peer and frees its place.
#[derive(Debug)]
pub struct Incoming<P> {
    pending: P,
    admitted: PendingConn,
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

impl<P: Pending> Incoming<P> {
    pub(crate) fn new(
        pending: P,
        permit: Permit,
        limiter: &Limiter,
        backend: Backend,
        accepted_at: u64,
    ) -> Self {
        let (peer, id) = (pending.peer(), Limiter::next_id());
        event::accepted(backend, id, peer);
        Self {
            pending,
            admitted: PendingConn {
                permit,
                limiter: limiter.clone(),
                backend,
                peer,
                id,
                accepted_at,
            },
        }
    }

    /// Who is there.
    pub const fn peer(&self) -> PeerAddr {
        self.admitted.peer
    }

    /// Number of the connection; `conn_id` in logs.
    pub const fn id(&self) -> u64 {
        self.admitted.id
    }

    /// Runs the handshake under its deadline.
    ///
    /// # Errors
    /// [`TransportError::Timeout`] with [`Op::Handshake`], or the backend's failure: a reject where
    /// it has a [reason](TransportError::reason), else a close.
    ///
    /// # Cancel safety
    /// Dropping the future refuses the peer.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn establish(
        self,
    ) -> impl Future<Output = Result<Connection<GuardedIo<P::Io>>, TransportError>> + Send {
        let Self { pending, admitted } = self;
        let settings = admitted.limiter.settings();
        let deadline = admitted
            .accepted_at
            .saturating_add(ticks(settings.handshake));
        let deadline = admitted.limiter.instant(deadline);
        GuardedHandshake {
            shaking: Some(until(deadline, pending.establish())),
            admitted: Some((admitted, settings)),
        }
    }
}

pin_project! {
    /// An `async` block would hold what it awaits twice.
    struct GuardedHandshake<F> {
        // First, so that the socket is closed before the permit is given back.
        #[pin]
        shaking: Option<UntilDeadline<F>>,
        admitted: Option<(PendingConn, Arc<ConnSettings>)>,
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
        let shaken = match this.shaking.as_mut().as_pin_mut() {
            Some(shaking) => ready!(shaking.poll(cx)),
            // It was polled after its end.
            None => return Poll::Pending,
        };
        this.shaking.set(None);
        let Some((admitted, settings)) = this.admitted.take() else {
            return Poll::Pending;
        };
        let shaken = shaken.unwrap_or(Err(TransportError::Timeout { op: Op::Handshake }));
        Poll::Ready(admitted.end(settings, shaken))
    }
}

impl PendingConn {
    /// Counts and logs how the handshake ended.
    fn end<I: Io>(
        self,
        settings: Arc<ConnSettings>,
        shaken: Result<Connection<I>, TransportError>,
    ) -> Result<Connection<GuardedIo<I>>, TransportError> {
        let Self {
            permit,
            limiter,
            backend,
            peer,
            id,
            accepted_at,
        } = self;
        let now = limiter.now();
        let took = duration(now.saturating_sub(accepted_at));
        match shaken {
            Ok(connection) => {
                limiter.observer().handshake(backend, took);
                let connection = guarded(&limiter, permit, id, connection, settings, now);
                event::established(&connection.info, took);
                Ok(connection)
            }
            Err(error) => {
                let who = ConnLabels {
                    conn_id: Some(id),
                    peer: Some(peer),
                    ..ConnLabels::default()
                };
                if let Some(reason) = error.reason() {
                    event::handshake_failed(backend, id, took, &error);
                    limiter.rejected(reason, backend, who, Some(&error));
                } else {
                    let reason = error.close_reason();
                    limiter.observer().closed(backend, reason);
                    event::closed_early(backend, who, took, reason, &error);
                }
                Err(error)
            }
        }
    }
}
