//! The handshake on a connection that is established below TLS.

use std::sync::Arc;

use tokio_rustls::{TlsAcceptor, TlsConnector};
use transport_core::{Connection, Io, NoIdentity, Observer, Target, TransportError};

use super::handshake::{PendingHandshake, BUFFER_BYTES};
use super::handshake_io::HandshakeIo;
use super::stream::TlsIo;
use super::tls_session::TlsSession;
use crate::{ClientOptions, ClientTls, ServerTls};

/// Runs a server's handshake on a raw connection, without a deadline.
///
/// [`TlsListener`](super::TlsListener) does this for every connection. A protocol that begins in
/// plaintext calls it at its upgrade (STARTTLS), inside of `GuardedIo::upgrade`. The stream must have
/// no received bytes buffered above it.
///
/// # Errors
/// As [`TlsPending::establish`](super::TlsPending), without the errors of the connection below.
///
/// # Cancel safety
/// Dropping the future closes the connection and counts the handshake as failed.
pub async fn accept_over<I: Io>(
    connection: Connection<I>,
    tls: &ServerTls,
    observer: &Arc<dyn Observer>,
) -> Result<Connection<TlsIo<I>>, TransportError> {
    let (io, info) = connection.into_parts();
    let handshake = PendingHandshake::start(false, info, observer);
    let config = tls.config();
    let accept =
        TlsAcceptor::from(Arc::clone(&config)).accept_with(HandshakeIo::server(io), |session| {
            session.set_buffer_limit(Some(BUFFER_BYTES));
        });
    let mut session = TlsSession::accepting(accept.into_fallible());
    // Failure paths are boxed: they would make the future of every handshake larger.
    match session.handshake().await {
        Ok(()) => match handshake.succeeded(session, tls.no_identity(), tls.client_check(), None) {
            Ok(connection) => Ok(connection),
            Err(rejected) => Err(Box::pin(rejected.close()).await),
        },
        Err((error, io)) => {
            let provider = config.crypto_provider();
            Err(Box::pin(handshake.failed(error, io, provider, false)).await)
        }
    }
}

/// A client's handshake, prepared before its connection exists.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use transport_core::{Dialer, NoObserver, Observer};
/// use transport_tcp::raw::TcpDialer;
/// use transport_tls::raw::ClientOver;
/// use transport_tls::{ClientOptions, ClientTls, PqMode, TlsClientConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = ClientTls::load(&TlsClientConfig::default(), PqMode::Hybrid)?;
/// let observer: Arc<dyn Observer> = Arc::new(NoObserver);
/// let options = ClientOptions::new().with_server_name("mail.example.com");
/// let over = ClientOver::new(&tls, &options)?;
/// let plain = TcpDialer::default().dial(&"mail.example.com:25".parse()?).await?;
/// // Here the protocol asks for its upgrade in plaintext.
/// let connection = over.connect(plain, &observer).await?;
/// println!("{:?}", connection.info.kx);
/// # Ok(())
/// # }
/// ```
pub struct ClientOver<'a> {
    tls: &'a ClientTls,
    handshake: crate::client::ClientHandshake,
    private: bool,
}

impl std::fmt::Debug for ClientOver<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientOver").finish_non_exhaustive()
    }
}

impl<'a> ClientOver<'a> {
    /// Prepares a handshake.
    ///
    /// The server name is that of the options, else of the configuration.
    ///
    /// # Errors
    /// [`TransportError::Config`] as [`ClientOptions::check`], [`TransportError::Unsupported`]
    /// without a server name.
    pub fn new(tls: &'a ClientTls, options: &ClientOptions) -> Result<Self, TransportError> {
        options.check()?;
        Self::to(tls, options, None, false)
    }

    /// Prepares the handshake of a dial.
    pub(super) fn to(
        tls: &'a ClientTls,
        options: &ClientOptions,
        to: Option<&Target>,
        private: bool,
    ) -> Result<Self, TransportError> {
        Ok(Self {
            tls,
            handshake: tls.handshake(options, to, private)?,
            private,
        })
    }

    /// Runs the handshake on a raw connection, without a deadline.
    ///
    /// The stream must have no received bytes buffered above it.
    ///
    /// # Errors
    /// [`TransportError::Tls`] for a failed handshake.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection and counts the handshake as failed.
    pub async fn connect<I: Io>(
        self,
        connection: Connection<I>,
        observer: &Arc<dyn Observer>,
    ) -> Result<Connection<TlsIo<I>>, TransportError> {
        let Self {
            tls,
            handshake: prepared,
            private,
        } = self;
        let (io, info) = connection.into_parts();
        let handshake = PendingHandshake::start(true, info, observer);
        let connect = TlsConnector::from(Arc::clone(&prepared.config)).connect_with(
            prepared.name,
            HandshakeIo::client(io),
            |session| session.set_buffer_limit(Some(BUFFER_BYTES)),
        );
        let mut session = TlsSession::connecting(connect.into_fallible());
        // Failure paths are boxed: they would make the future of every dial larger.
        match session.handshake().await {
            Ok(()) => {
                let (none, check) = (NoIdentity::NotPresented, tls.server_check());
                match handshake.succeeded(session, none, check, prepared.sessions.as_deref()) {
                    Ok(connection) => Ok(connection),
                    Err(rejected) => Err(Box::pin(rejected.close()).await),
                }
            }
            Err((error, io)) => {
                let provider = prepared.config.crypto_provider();
                Err(Box::pin(handshake.failed(error, io, provider, private)).await)
            }
        }
    }
}
