//! Client-side TLS configuration from memory.

use std::sync::Arc;

use tokio_rustls::rustls::time_provider::DefaultTimeProvider;
use tokio_rustls::rustls::ClientConfig;
use transport_core::TransportError;

use super::parts::{pair_paths, system_roots, ClientParts};
use super::ClientTls;
use crate::pair::{self, PairFiles};
use crate::provider::provider;
use crate::trust::TrustMaterial;
use crate::trust_update::TrustSettings;
use crate::{PqMode, TlsClientConfig, TlsMaterial, TrustStore};

impl ClientTls {
    /// Uses authorities, a certificate with its key, or both, from memory.
    ///
    /// Paths in `config` for a part that `material` has are ignored; the other part is read as
    /// [`load`](Self::load) does.
    ///
    /// ```no_run
    /// use transport_tls::rustls::pki_types::CertificateDer;
    /// use transport_tls::{ClientTls, PqMode, TlsClientConfig, TlsMaterial};
    ///
    /// # fn example(authority: CertificateDer<'static>) -> Result<(), transport_core::TransportError> {
    /// let material = TlsMaterial::new().with_authorities([authority]);
    /// let tls = ClientTls::from_material(material, &TlsClientConfig::default(), PqMode::Hybrid)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_material(
        material: TlsMaterial,
        config: &TlsClientConfig,
        pq: PqMode,
    ) -> Result<Self, TransportError> {
        let mut settings = config.clone();
        let trust = match material.authorities {
            Some(authorities) => {
                settings
                    .set_trust_store(TrustStore::System)
                    .set_ca_bundle_path(None);
                let memory = TrustMaterial::with_authorities(authorities)?;
                match TrustMaterial::read(&settings.trust_paths(), &memory) {
                    (trust, None) => trust,
                    (_, Some(error)) => return Err(error),
                }
            }
            None => TrustMaterial::load(&settings.trust_paths())?,
        };
        let (pair, pair_hashes) = match material.pair {
            Some((chain, key)) => {
                settings.set_cert_path(None).set_key_path(None);
                let paths = pair_paths(&settings);
                let pair = pair::pair(chain, &key, &provider(pq), &paths)?;
                (Some(pair), None)
            }
            None => {
                let mut files = PairFiles::read(pair_paths(&settings))?;
                let hashes = Some(files.hashes());
                (files.parse(&provider(pq))?, hashes)
            }
        };
        Self::build(ClientParts {
            system: system_roots(&settings, &trust, None)?,
            settings,
            pq,
            pair,
            pair_hashes,
            trust,
            clock: Arc::new(DefaultTimeProvider),
        })
    }

    /// Uses a complete rustls configuration.
    ///
    /// Sessions older than TLS 1.3 are refused even if it allows them. Everything else is as
    /// configured: the verification of servers, the sessions that it resumes, and the key exchange
    /// groups, which [`pq_mode`](Self::pq_mode) reports. A configuration that replaces another one
    /// must not share its session store if the accepted servers differ: a resumed session is not
    /// verified again.
    #[must_use]
    pub const fn from_rustls(config: Arc<ClientConfig>) -> Self {
        Self {
            config,
            name: None,
            sessions: None,
            server_check: None,
            parts: None,
        }
    }
}
