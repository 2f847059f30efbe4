//! Accepting: the raw listener's connections, with a handshake on top.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use transport_core::{
    Backend, Connection, Listener, Observer, PeerAddr, Pending, Reason, Reloadable, TransportError,
};

use super::handshake::{PendingHandshake, BUFFER_BYTES};
use super::handshake_io::HandshakeIo;
use super::stream::TlsIo;
use super::tls_session::TlsSession;
use crate::ServerTls;

/// TLS over a raw listener.
pub struct TlsListener<L> {
    raw: L,
    live: Reloadable<ServerTls>,
    observer: Arc<dyn Observer>,
}

impl<L: Listener> TlsListener<L> {
    /// Shakes hands on what this listener accepts, with what is in force when a handshake begins.
    #[must_use]
    pub fn over(raw: L, live: &Reloadable<ServerTls>, observer: Arc<dyn Observer>) -> Self {
        Self {
            raw,
            live: live.clone(),
            observer,
        }
    }

    /// The listener below.
    pub const fn get_ref(&self) -> &L {
        &self.raw
    }

    /// What it proves and asks for, to replace or refresh.
    pub const fn live(&self) -> &Reloadable<ServerTls> {
        &self.live
    }
}

impl<L: fmt::Debug> fmt::Debug for TlsListener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener")
            .field("raw", &self.raw)
            .finish_non_exhaustive()
    }
}

impl<L: Listener> Listener for TlsListener<L> {
    type Pending = TlsPending<L::Pending>;

    fn backend(&self) -> Backend {
        Backend::Tls
    }

    async fn accept(&mut self) -> Result<Self::Pending, TransportError> {
        Ok(TlsPending {
            raw: self.raw.accept().await?,
            live: self.live.clone(),
            observer: Arc::clone(&self.observer),
        })
    }
}

/// An accepted connection before its TLS handshake.
pub struct TlsPending<P> {
    raw: P,
    live: Reloadable<ServerTls>,
    observer: Arc<dyn Observer>,
}

impl<P: fmt::Debug> fmt::Debug for TlsPending<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsPending")
            .field("raw", &self.raw)
            .finish_non_exhaustive()
    }
}

impl<P: Pending> Pending for TlsPending<P> {
    type Io = TlsIo<P::Io>;

    const HANDSHAKE: bool = true;

    fn peer(&self) -> PeerAddr {
        self.raw.peer()
    }

    fn refused(&self) -> Option<Reason> {
        self.raw.refused()
    }

    /// Runs the handshake. After a failure the peer is given a tenth of a second, within the
    /// guard's deadline, to read why. The handshake is complete with the client's last message: a
    /// client that is gone before it has read its session tickets is established, and then ends.
    async fn establish(self) -> Result<Connection<Self::Io>, TransportError> {
        let (io, info) = self.raw.establish().await?.into_parts();
        let handshake = PendingHandshake::begin(false, info, &self.observer);
        let tls = self.live.get();
        let config = tls.config();
        let accept = TlsAcceptor::from(Arc::clone(&config)).accept_with(
            HandshakeIo::server(io),
            |session| {
                session.set_buffer_limit(Some(BUFFER_BYTES));
            },
        );
        let mut session = TlsSession::accepting(accept.into_fallible());
        // What is rare is boxed, so that no handshake that succeeds has to carry it.
        match session.handshake().await {
            Ok(()) => match handshake.succeeded(session, tls.no_identity(), tls.clients(), None) {
                Ok(connection) => Ok(connection),
                Err(rejected) => Err(Box::pin(rejected.close()).await),
            },
            Err((error, io)) => {
                let provider = config.crypto_provider();
                Err(Box::pin(handshake.failed(error, io, provider, false)).await)
            }
        }
    }
}
