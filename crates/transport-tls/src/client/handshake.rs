//! The preparation of one handshake of a client.

use std::sync::Arc;

use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::ClientConfig;
use transport_core::{Target, TransportError};

use super::{server_name, ClientOptions, ClientTls};
use crate::resume::ConnSessionStore;

/// The prepared handshake of a client.
pub(crate) struct ClientHandshake {
    /// The name that the server's certificate must be valid for.
    pub(crate) name: ServerName<'static>,
    pub(crate) config: Arc<ClientConfig>,
    /// `None` if our cache takes no part.
    pub(crate) sessions: Option<Arc<ConnSessionStore>>,
}

impl ClientTls {
    /// Prepares a handshake; `to` is the dialed target, where one was dialed.
    pub(crate) fn handshake(
        &self,
        options: &ClientOptions,
        to: Option<&Target>,
        private: bool,
    ) -> Result<ClientHandshake, TransportError> {
        let name = match &options.server_name {
            Some(name) => server_name(name, private)?,
            None => self.name(to, private)?,
        };
        let mut config = ClientConfig::clone(&self.config);
        if let Some(alpn) = &options.alpn {
            config.alpn_protocols.clone_from(alpn);
        }
        let mut sessions = None;
        if let Some(identity) = &options.identity {
            let pair = SingleCertAndKey::from(identity.pair());
            config.client_auth_cert_resolver = Arc::new(pair);
            // A resumed session has the identity of the handshake that it was made in.
            config.resumption = Resumption::disabled();
        } else if let Some(cache) = &self.sessions {
            let store = Arc::new(ConnSessionStore::new(cache));
            config.resumption = Resumption::store(Arc::clone(&store) as _);
            sessions = Some(store);
        }
        Ok(ClientHandshake {
            name,
            config: Arc::new(config),
            sessions,
        })
    }

    fn name(
        &self,
        to: Option<&Target>,
        private: bool,
    ) -> Result<ServerName<'static>, TransportError> {
        match (&self.name, to) {
            (Some(name), _) => Ok(name.clone()),
            (None, Some(Target::Host { host, .. })) => server_name(host, private),
            (None, Some(to)) => Err(TransportError::Unsupported {
                what: format!("tls to {to}: it has no host name; set tls_client.sni_override"),
            }),
            (None, None) => Err(TransportError::Unsupported {
                what: "tls without a server name: set one in the options".to_owned(),
            }),
        }
    }
}
