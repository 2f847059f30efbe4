//! Credentials that the embedder passes in memory, in place of files.

use transport_core::TransportError;
#[cfg(feature = "tls")]
use transport_tls::{ClientTls, PqMode, ServerTls};

use crate::config::Config;

/// Credentials that the embedder passes in memory, in place of files.
#[derive(Default)]
pub(crate) struct Credentials {
    #[cfg(feature = "tls")]
    pub(crate) server_tls: Option<ServerTls>,
    #[cfg(feature = "tls")]
    pub(crate) client_tls: Option<ClientTls>,
}

impl Credentials {
    /// Checks the credentials against the configuration.
    ///
    /// # Errors
    /// [`TransportError::Config`] for classical groups where `pq.mode` is `required`.
    #[cfg(feature = "tls")]
    pub(crate) fn check(&self, config: &Config) -> Result<(), TransportError> {
        let server = self.server_tls.as_ref().map(ServerTls::pq_mode);
        let client = self.client_tls.as_ref().map(ClientTls::pq_mode);
        let mut modes = server.into_iter().chain(client);
        modes.try_for_each(|offered| check_pq(config.pq.mode(), offered))
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    pub(crate) const fn check(&self, _: &Config) -> Result<(), TransportError> {
        Ok(())
    }
}

/// Fails for groups that `pq.mode = required` excludes.
#[cfg(feature = "tls")]
pub(crate) fn check_pq(mode: PqMode, offered: PqMode) -> Result<(), TransportError> {
    if mode == PqMode::Required && offered != PqMode::Required {
        return Err(TransportError::Config {
            source: "the TLS configuration offers classical key exchange groups, and pq.mode is \
                     required: give it X25519MLKEM768 alone"
                .into(),
        });
    }
    Ok(())
}
