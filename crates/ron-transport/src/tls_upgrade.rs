//! The side and the credentials of an upgrade to TLS.

use std::sync::Arc;

use transport_core::{Connection, Io, Observer, TransportError};
use transport_tls::raw::{accept_over, ClientOver, TlsIo};
use transport_tls::{ClientOptions, ClientTls, ServerTls};

/// The side and the credentials of an upgrade to TLS; see [`Conn::upgrade_tls`](crate::Conn::upgrade_tls).
#[derive(Debug, Clone)]
pub struct TlsUpgrade(UpgradeSide);

#[derive(Debug, Clone)]
enum UpgradeSide {
    Server(Arc<ServerTls>),
    Client(Arc<ClientTls>, ClientOptions),
}

impl TlsUpgrade {
    /// Runs the server's side of the handshake.
    ///
    /// [`Transport::server_tls`](crate::Transport::server_tls) returns the configuration of `tls.*`.
    pub fn server(tls: impl Into<Arc<ServerTls>>) -> Self {
        Self(UpgradeSide::Server(tls.into()))
    }

    /// Runs the client's side; the server must prove this name.
    ///
    /// [`Transport::client_tls`](crate::Transport::client_tls) returns the configuration of
    /// `tls_client.*`. Its `sni_override` does not apply.
    pub fn client(tls: impl Into<Arc<ClientTls>>, server_name: impl Into<String>) -> Self {
        let options = ClientOptions::new().with_server_name(server_name);
        Self::client_with(tls, options)
    }

    /// As [`client`](Self::client), with options.
    ///
    /// Without a server name in them, that of `sni_override` applies.
    pub fn client_with(tls: impl Into<Arc<ClientTls>>, options: ClientOptions) -> Self {
        Self(UpgradeSide::Client(tls.into(), options))
    }

    /// Checks the values, before the connection changes.
    pub(crate) fn check(&self) -> Result<(), TransportError> {
        match &self.0 {
            UpgradeSide::Server(_) => Ok(()),
            UpgradeSide::Client(_, options) => options.check(),
        }
    }

    pub(crate) async fn handshake<I: Io>(
        self,
        raw: Connection<I>,
        observer: &Arc<dyn Observer>,
    ) -> Result<Connection<TlsIo<I>>, TransportError> {
        match self.0 {
            UpgradeSide::Server(tls) => accept_over(raw, &tls, observer).await,
            UpgradeSide::Client(tls, options) => {
                ClientOver::new(&tls, &options)?
                    .connect(raw, observer)
                    .await
            }
        }
    }
}
