//! The guarded custom listener, alone or below TLS.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use transport_core::{Backend, Listener, PeerAddr, Pending, TransportError};
use transport_limits::{Admitted, Guard, Limiter};
#[cfg(feature = "tls")]
use transport_tls::raw::TlsListener;

use super::raw::{AcceptErased, BoxFuture, ErasedListener};
use crate::backend::{unsupported, BackendState};
use crate::config::Config;
use crate::conn::Conn;

/// A raw listener that waits for [`listen`](crate::Transport::listen).
pub(crate) struct CustomListener {
    name: &'static str,
    /// Whether its handshake may wait for the peer.
    has_handshake: bool,
    raw: Mutex<Option<Box<dyn AcceptErased>>>,
}

impl fmt::Debug for CustomListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CustomListener").field(&self.name).finish()
    }
}

impl CustomListener {
    pub(super) fn new<L: Listener>(name: &'static str, raw: L) -> Self {
        Self {
            name,
            has_handshake: L::Pending::HANDSHAKE,
            raw: Mutex::new(Some(Box::new(raw))),
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Guards the listener, over TLS if TLS is configured.
    ///
    /// An unusable certificate fails before the listener is taken.
    #[allow(clippy::unused_async)]
    pub(crate) async fn guard(
        &self,
        config: &Config,
        backends: &BackendState,
        limiter: &Limiter,
    ) -> Result<CustomGuard, TransportError> {
        // Without TLS no state is read.
        let _ = backends;
        match config.general.backend() {
            #[cfg(feature = "tls")]
            Backend::Tls => {
                let live = backends.tls.server(config).await?;
                let observer = limiter.shared_observer();
                let raw = TlsListener::over(self.take()?, &live, observer);
                Ok(CustomGuard::Tls(Guard::new(raw, limiter)))
            }
            Backend::Tcp if self.has_handshake => {
                let raw = self.take()?;
                Ok(CustomGuard::Handshake(Guard::new(raw, limiter)))
            }
            Backend::Tcp => {
                let raw = self.take()?;
                Ok(CustomGuard::Instant(Guard::new(raw, limiter)))
            }
            other => Err(unsupported::backend(other)),
        }
    }

    fn take<const HANDSHAKE: bool>(&self) -> Result<ErasedListener<HANDSHAKE>, TransportError> {
        let mut raw = self.raw.lock().unwrap_or_else(PoisonError::into_inner);
        let raw = raw.take().ok_or(TransportError::State {
            what: "the raw listener is in use: listen() may be called once",
        })?;
        Ok(ErasedListener::new(self.name, raw))
    }
}

/// The guarded listener of a custom backend.
#[derive(Debug)]
pub(crate) enum CustomGuard {
    Handshake(Guard<ErasedListener<true>>),
    Instant(Guard<ErasedListener<false>>),
    #[cfg(feature = "tls")]
    Tls(Guard<TlsListener<ErasedListener<true>>>),
}

impl CustomGuard {
    /// Returns another listener on the same socket, for the current runtime.
    pub(crate) fn share(&self) -> Result<Option<Self>, TransportError> {
        Ok(match self {
            Self::Handshake(guard) => guard.share()?.map(Self::Handshake),
            Self::Instant(guard) => guard.share()?.map(Self::Instant),
            #[cfg(feature = "tls")]
            Self::Tls(guard) => guard.share()?.map(Self::Tls),
        })
    }

    /// Accepts the next admitted connection. Cancel-safe.
    pub(crate) async fn accept(&mut self) -> Box<dyn CustomAdmitted> {
        match self {
            Self::Handshake(guard) => Box::new(guard.accept().await),
            Self::Instant(guard) => Box::new(guard.accept().await),
            #[cfg(feature = "tls")]
            Self::Tls(guard) => Box::new(guard.accept().await),
        }
    }
}

/// [`Admitted`] without its type.
pub(crate) trait CustomAdmitted: fmt::Debug + Send {
    fn peer(&self) -> PeerAddr;
    fn id(&self) -> u64;
    fn establish_boxed(self: Box<Self>) -> BoxFuture<'static, Result<Conn, TransportError>>;
}

impl<P: Pending + fmt::Debug> CustomAdmitted for Admitted<P> {
    fn peer(&self) -> PeerAddr {
        Self::peer(self)
    }

    fn id(&self) -> u64 {
        Self::id(self)
    }

    fn establish_boxed(self: Box<Self>) -> BoxFuture<'static, Result<Conn, TransportError>> {
        Box::pin(async move { Self::establish(*self).await.map(Conn::new) })
    }
}
