//! TLS configurations from memory, replaced while the transport runs.

use std::sync::Arc;

use transport_core::TransportError;
use transport_tls::{ClientTls, ServerTls};

use crate::transport::Transport;

impl Transport {
    /// Replaces the server-side TLS configuration at once.
    ///
    /// Handshakes that start from now on use the new one; open connections keep theirs. It has other
    /// ticket keys, so no session of the configuration before it resumes.
    ///
    /// From now on, neither [`reload`](Self::reload) nor a changed file of `tls.*` replaces the
    /// configuration; only another call does. Files that the value itself was made from, such as
    /// CRLs, are still watched. The metric of the certificate's expiry follows, and is 0 if the
    /// expiry is unknown ([`ServerTls::from_rustls`]).
    ///
    /// ```no_run
    /// use ron_transport::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    /// use ron_transport::tls::{ServerTls, TlsMaterial};
    /// use ron_transport::{Transport, TransportError};
    ///
    /// /// Installs a renewed certificate.
    /// fn renewed(
    ///     transport: &Transport,
    ///     chain: Vec<CertificateDer<'static>>,
    ///     key: PrivateKeyDer<'static>,
    /// ) -> Result<(), TransportError> {
    ///     let config = transport.config();
    ///     let material = TlsMaterial::new().with_pair(chain, key);
    ///     // An unusable certificate fails here, and the one before it stays.
    ///     let tls = ServerTls::from_material(material, &config.tls, config.pq.mode())?;
    ///     transport.replace_server_tls(tls)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`TransportError::Config`] for classical groups where `pq.mode` is `required`. The
    /// configuration before it then stays.
    pub fn replace_server_tls(&self, tls: ServerTls) -> Result<(), TransportError> {
        self.backends.tls.replace_server(tls)
    }

    /// Replaces the client-side TLS configuration at once.
    ///
    /// Dials that start from now on use the new one; open connections keep theirs. It has a session
    /// cache of its own, so no session of the configuration before it resumes. Reloads and files
    /// are treated as by [`replace_server_tls`](Self::replace_server_tls).
    ///
    /// # Errors
    /// As [`replace_server_tls`](Self::replace_server_tls).
    pub fn replace_client_tls(&self, tls: ClientTls) -> Result<(), TransportError> {
        self.backends.tls.replace_client(tls)
    }

    /// Returns the server-side TLS configuration in force, for [`TlsUpgrade`](crate::TlsUpgrade).
    ///
    /// The first call reads the files of `tls.*`, whatever the backend of the listener is. Call it
    /// for each upgrade: reloads and replacements then apply.
    ///
    /// # Errors
    /// As [`ServerTls::load`].
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn server_tls(&self) -> Result<Arc<ServerTls>, TransportError> {
        let config = self.config();
        Ok(self.backends.tls.server(&config).await?.get())
    }

    /// Returns the client-side TLS configuration in force, for [`TlsUpgrade`](crate::TlsUpgrade).
    ///
    /// The first call reads the files of `tls_client.*`. Call it for each upgrade.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn client_tls(&self) -> Result<Arc<ClientTls>, TransportError> {
        Ok(crate::backend::client_tls(&self.backends.tls).await?.get())
    }
}
