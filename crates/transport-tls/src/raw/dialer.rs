//! The TLS dialer, over a raw dialer.

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

/// A TLS dialer over a raw dialer.
///
/// # Example
///
/// ```no_run
/// use std::sync::Arc;
///
/// use transport_core::{Dialer, NoObserver, Reloadable};
/// use transport_tcp::raw::TcpDialer;
/// use transport_tls::raw::TlsDialer;
/// use transport_tls::{ClientTls, PqMode, TlsClientConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = ClientTls::load(&TlsClientConfig::default(), PqMode::Hybrid)?;
/// let tls = Reloadable::new(tls);
/// let dialer = TlsDialer::over(TcpDialer::default(), &tls, Arc::new(NoObserver));
/// // The certificate must be valid for `example.com`.
/// let connection = dialer.dial(&"example.com:443".parse()?).await?;
/// println!("{:?}", connection.info.kx);
/// # Ok(())
/// # }
/// ```
pub struct TlsDialer<D> {
    raw: D,
    live: Reloadable<ClientTls>,
    observer: Arc<dyn Observer>,
}

impl<D: Dialer> TlsDialer<D> {
    /// Adds TLS to a raw dialer.
    ///
    /// Each dial uses the configuration that is current when it starts.
    #[must_use]
    pub fn over(raw: D, live: &Reloadable<ClientTls>, observer: Arc<dyn Observer>) -> Self {
        Self {
            raw,
            live: live.clone(),
            observer,
        }
    }

    /// Returns the dialer below.
    pub const fn get_ref(&self) -> &D {
        &self.raw
    }

    /// Returns the TLS configuration, to replace or refresh it.
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

    /// Dials and runs the handshake.
    ///
    /// After a failed handshake the connection lingers for 100 ms, so that the server receives the
    /// alert.
    ///
    /// # Errors
    /// [`TransportError::Tls`] for a failed handshake or a host that is not a valid server name,
    /// [`TransportError::Unsupported`] for a target without a name if `tls_client.sni_override` is
    /// not set, and the errors of the dialer below.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection and counts a started handshake as failed.
    async fn dial(&self, to: &Target) -> Result<Connection<Self::Io>, TransportError> {
        let tls = self.live.get();
        // Before the connection: a target without a server name always fails.
        let name = tls.name(to, D::PRIVATE)?;
        let (io, info) = self.raw.dial(to).await?.into_parts();
        let handshake = PendingHandshake::start(true, info, &self.observer);
        let (config, sessions) = tls.session();
        let connect = TlsConnector::from(Arc::clone(&config)).connect_with(
            name,
            HandshakeIo::client(io),
            |session| session.set_buffer_limit(Some(BUFFER_BYTES)),
        );
        let mut session = TlsSession::connecting(connect.into_fallible());
        // Failure paths are boxed: they would make the future of every dial larger.
        match session.handshake().await {
            Ok(()) => {
                let (none, check) = (NoIdentity::NotPresented, Some(tls.server_check()));
                match handshake.succeeded(session, none, check, Some(&sessions)) {
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
