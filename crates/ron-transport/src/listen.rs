//! Binding or taking over a socket, and who has the listener while it accepts.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use transport_core::{ReadyReason, ReadyState, TransportError};

use crate::backend::{AnyListener, Parts};
use crate::config::Config;
use crate::dialer::IncomingConn;
use crate::listen_addr::{Inherited, ListenAddr};
use crate::readiness::Part;
use crate::serve::waiting;
use crate::transport::Transport;

/// How long an accept loop has to take what waits in the backlog.
const HAND_OVER: Duration = Duration::from_secs(1);
/// How long an embedder has between two calls to accept.
const NEXT_ACCEPT: Duration = Duration::from_millis(20);

/// Where the listener is.
#[derive(Debug, Default)]
pub(crate) enum Slot {
    /// Nothing is bound yet.
    #[default]
    Unbound,
    /// Bound, and nobody is accepting.
    Here(Box<AnyListener>),
    /// Whoever accepts has it.
    Taken,
    /// It was closed.
    Closed,
}

impl Transport {
    /// Binds what is configured and becomes `Ready`. Connections queue in the kernel until
    /// [`serve`](Self::serve) or [`accept`](Self::accept) takes them. Returns where it listens.
    ///
    /// # Errors
    /// [`TransportError::Bind`]; [`TransportError::Tls`] for a certificate or key that cannot be
    /// used; [`TransportError::Config`] with nothing to bind or on a second call. Readiness is
    /// then `NotReady("bind_failed")`, or `NotReady("tls")`.
    pub async fn listen(&self) -> Result<ListenAddr, TransportError> {
        self.may_listen(&self.slot())?;
        let config = self.config();
        let bound = AnyListener::bind(&self.parts(&config)).await;
        self.bound(bound)
    }

    /// Listens on a socket that somebody else has bound, such as a service manager, instead of
    /// binding what is configured; otherwise as [`listen`](Self::listen).
    ///
    /// # Errors
    /// [`TransportError::Config`] when the configured backend cannot listen on it, and as
    /// [`listen`](Self::listen).
    pub async fn adopt(&self, socket: Inherited) -> Result<ListenAddr, TransportError> {
        self.may_listen(&self.slot())?;
        let config = self.config();
        let bound = AnyListener::adopt(socket, &self.parts(&config)).await;
        self.bound(bound)
    }

    fn parts<'a>(&'a self, config: &'a Config) -> Parts<'a> {
        Parts {
            config,
            live: &self.live,
            max_fd: self.max_fd,
            limiter: &self.shared.limiter,
        }
    }

    fn bound(
        &self,
        bound: Result<AnyListener, TransportError>,
    ) -> Result<ListenAddr, TransportError> {
        let readiness = &self.shared.readiness;
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let mut slot = self.slot();
        // Binding may have waited, and it may no longer be the time: then the listener is closed.
        self.may_listen(&slot)?;
        let (local, listener) = bound.inspect_err(|error| {
            let reason = match error {
                TransportError::Tls { .. } => ReadyReason::Tls,
                _ => ReadyReason::BindFailed,
            };
            readiness.not_ready(Part::Lifecycle, reason);
        })?;
        *slot = Slot::Here(Box::new(listener));
        readiness.set(Part::Listener, ReadyState::Ready);
        readiness.set(Part::Lifecycle, ReadyState::Ready);
        Ok(local)
    }

    /// Whether this is the time for it.
    fn may_listen(&self, slot: &Slot) -> Result<(), TransportError> {
        let wrong = |what: &str| {
            Err(TransportError::Config {
                source: what.into(),
            })
        };
        if self.shared.stop.is_cancelled() {
            return wrong("the transport has shut down");
        }
        if !matches!(slot, Slot::Unbound) {
            return wrong("the transport listens already");
        }
        Ok(())
    }

    /// Waits for the next admitted connection, for an embedder that runs its own accept loop.
    /// `None` once accepting has ended, after the connections that the kernel had accepted by then.
    ///
    /// # Errors
    /// [`TransportError::Config`] when [`listen`](Self::listen) has not succeeded before, or
    /// another call is accepting.
    ///
    /// # Cancel safety
    /// Cancel-safe: no admitted connection is lost when the future is dropped.
    pub async fn accept(&self) -> Result<Option<IncomingConn>, TransportError> {
        let Some(mut lent) = self.lend()? else {
            return Ok(None);
        };
        let Some(listener) = &mut lent.listener else {
            return Ok(None);
        };
        let incoming = tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => {
                // The kernel has told these clients that they are connected: they are served.
                let left = waiting(listener.accept()).await;
                if left.is_none() {
                    lent.listener = None;
                }
                left
            }
            incoming = listener.accept() => Some(incoming),
        };
        Ok(incoming.map(IncomingConn::new))
    }

    /// The listener, for the caller to accept with; `None` once it is closed.
    pub(crate) fn lend(&self) -> Result<Option<Lent<'_>>, TransportError> {
        let mut slot = self.slot();
        let wrong = match std::mem::take(&mut *slot) {
            Slot::Here(listener) => {
                *slot = Slot::Taken;
                return Ok(Some(Lent {
                    transport: self,
                    listener: Some(listener),
                }));
            }
            Slot::Closed => {
                *slot = Slot::Closed;
                return Ok(None);
            }
            slot_before if self.shared.stop.is_cancelled() => {
                *slot = slot_before;
                return Ok(None);
            }
            Slot::Unbound => "listen() has not succeeded before",
            Slot::Taken => {
                *slot = Slot::Taken;
                "somebody is accepting already"
            }
        };
        Err(TransportError::Config {
            source: wrong.into(),
        })
    }

    /// Closes the listener once accepting has ended. An accept loop has a moment for the
    /// connections that the kernel has accepted.
    pub(crate) async fn close_listener(&self) {
        let given_back = self.listener_is(|slot| !matches!(slot, Slot::Taken));
        let _ = timeout(HAND_OVER, given_back).await;
        let closed = self.listener_is(|slot| matches!(slot, Slot::Unbound | Slot::Closed));
        let _ = timeout(NEXT_ACCEPT, closed).await;
        let mut slot = self.slot();
        if matches!(*slot, Slot::Here(_) | Slot::Unbound) {
            *slot = Slot::Closed;
        }
    }

    /// Waits until an accept loop has left the listener in such a state.
    async fn listener_is(&self, wanted: impl Fn(&Slot) -> bool) {
        loop {
            let released = self.shared.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if wanted(&self.slot()) {
                return;
            }
            released.await;
        }
    }

    pub(crate) fn slot(&self) -> MutexGuard<'_, Slot> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the listener back when a call to accept ends, unless it was taken out.
pub(crate) struct Lent<'a> {
    transport: &'a Transport,
    listener: Option<Box<AnyListener>>,
}

impl Lent<'_> {
    /// Takes the listener out: it closes with its new owner.
    pub(crate) fn take(&mut self) -> Option<Box<AnyListener>> {
        self.listener.take()
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        *self.transport.slot() = match self.listener.take() {
            Some(listener) => Slot::Here(listener),
            None => Slot::Closed,
        };
        self.transport.shared.released.notify_waiters();
    }
}
