//! Server-side TLS configuration from memory.

use std::sync::Arc;

use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::time_provider::DefaultTimeProvider;
use transport_core::TransportError;

use super::parts::{pair_paths, ServerParts};
use super::ServerTls;
use crate::files;
use crate::pair;
use crate::provider::provider;
use crate::trust::TrustMaterial;
use crate::trust_update::TrustSettings;
use crate::{PqMode, TlsConfig, TlsMaterial};

impl ServerTls {
    /// Uses a chain (leaf first) and a key from memory.
    ///
    /// The certificate and key paths in `config` are ignored. The key is overwritten after parsing.
    ///
    /// # Errors
    /// As [`ServerTls::load`].
    pub fn from_pair(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        config: &TlsConfig,
        pq: PqMode,
    ) -> Result<Self, TransportError> {
        Self::from_material(TlsMaterial::new().with_pair(chain, key), config, pq)
    }

    /// Uses a certificate and key, and authorities of clients, from memory.
    ///
    /// Paths in `config` for a part that `material` has are ignored. CRLs and ticket keys are files,
    /// which [`refresh`](Self::refresh) rereads.
    ///
    /// ```no_run
    /// use transport_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    /// use transport_tls::{ClientAuth, PqMode, ServerTls, TlsConfig, TlsMaterial};
    ///
    /// # fn example(
    /// #     chain: Vec<CertificateDer<'static>>,
    /// #     key: PrivateKeyDer<'static>,
    /// #     authority: CertificateDer<'static>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut config = TlsConfig::default();
    /// config
    ///     .set_client_auth(ClientAuth::Required)
    ///     .set_allow_sans(vec!["spiffe://example.org/client/*".into()])?;
    /// let material = TlsMaterial::new()
    ///     .with_pair(chain, key)
    ///     .with_authorities([authority]);
    /// let tls = ServerTls::from_material(material, &config, PqMode::Hybrid)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`ServerTls::load`], and [`TransportError::Tls`] without a certificate.
    pub fn from_material(
        material: TlsMaterial,
        config: &TlsConfig,
        pq: PqMode,
    ) -> Result<Self, TransportError> {
        let mut settings = config.clone();
        settings.set_cert_path(None).set_key_path(None);
        let paths = pair_paths(&settings);
        let Some((chain, key)) = material.pair else {
            return Err(files::cert_failed(paths.cert, "it is required to listen"));
        };
        let pair = pair::pair(chain, &key, &provider(pq), &paths)?;
        let trust = match material.authorities {
            Some(authorities) => {
                settings.set_client_ca_path(None);
                let memory = TrustMaterial::with_authorities(authorities)?;
                match TrustMaterial::read(&settings.trust_paths(), &memory) {
                    (trust, None) => trust,
                    (_, Some(error)) => return Err(error),
                }
            }
            None => TrustMaterial::load(&settings.trust_paths())?,
        };
        Self::build(ServerParts {
            settings,
            pq,
            pair,
            pair_hashes: None,
            trust,
            clock: Arc::new(DefaultTimeProvider),
        })
    }
}
