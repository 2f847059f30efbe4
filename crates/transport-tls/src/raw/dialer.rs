//! Dialing: the raw dialer's connections, with a handshake on top.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use transport_core::{
    Backend, Connection, Dialer, NoIdentity, Observer, Reloadable, Target, TransportError,
};

use super::handshake::{PendingHandshake, BUFFER_BYTES};
use super::handshake_io::HandshakeIo;
use super::stream::TlsIo;
use super::tls_session::TlsSession;
use crate::ClientTls;

/// TLS over a raw dialer.
pub struct TlsDialer<D> {
    raw: D,
    live: Reloadable<ClientTls>,
    observer: Arc<dyn Observer>,
}

impl<D: Dialer> TlsDialer<D> {
    /// Shakes hands on what this dialer opens, with what is in force when a dial begins.
    #[must_use]
    pub fn over(raw: D, live: &Reloadable<ClientTls>, observer: Arc<dyn Observer>) -> Self {
        Self {
            raw,
            live: live.clone(),
            observer,
        }
    }

    /// The dialer below.
    pub const fn get_ref(&self) -> &D {
        &self.raw
    }

    /// What it trusts and shows, to replace or refresh.
    pub const fn live(&self) -> &Reloadable<ClientTls> {
        &self.live
    }
}

impl<D: Clone> Clone for TlsDialer<D> {
    fn clone(&self) -> Self {
        Self {
            raw: self.raw.clone(),
            live: self.live.clone(),
            observer: Arc::clone(&self.observer),
        }
    }
}

impl<D: fmt::Debug> fmt::Debug for TlsDialer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsDialer")
            .field("raw", &self.raw)
            .finish_non_exhaustive()
    }
}

impl<D: Dialer> Dialer for TlsDialer<D> {
    type Io = TlsIo<D::Io>;

    const PRIVATE: bool = D::PRIVATE;

    fn backend(&self) -> Backend {
        Backend::Tls
    }

    /// Dials and shakes hands. After a failure of the handshake the server is given a tenth of a
    /// second, within the guard's deadline, to read why.
    async fn dial(&self, to: &Target) -> Result<Connection<Self::Io>, TransportError> {
        let tls = self.live.get();
        // Before anything is opened: a target without a name can prove none.
        let name = tls.name(to, D::PRIVATE)?;
        let (io, info) = self.raw.dial(to).await?.into_parts();
        let handshake = PendingHandshake::begin(true, info, &self.observer);
        let (config, sessions) = tls.session();
        let connect = TlsConnector::from(Arc::clone(&config)).connect_with(
            name,
            HandshakeIo::client(io),
            |session| session.set_buffer_limit(Some(BUFFER_BYTES)),
        );
        let mut session = TlsSession::connecting(connect.into_fallible());
        // What is rare is boxed, so that no handshake that succeeds has to carry it.
        match session.handshake().await {
            Ok(()) => {
                let (none, servers) = (NoIdentity::NotPresented, Some(tls.servers()));
                match handshake.succeeded(session, none, servers, Some(&sessions)) {
                    Ok(connection) => Ok(connection),
                    Err(rejected) => Err(Box::pin(rejected.close()).await),
                }
            }
            Err((error, io)) => {
                let provider = config.crypto_provider();
                Err(Box::pin(handshake.failed(error, io, provider, D::PRIVATE)).await)
            }
        }
    }
}
