//! The parts of a client configuration, each from its own files.

use std::sync::Arc;

use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::RootCertStore;
use transport_core::TransportError;

use crate::error::{tls, tls_by};
use crate::pair::{PairFiles, PairHashes, PairPaths};
use crate::provider::provider;
use crate::trust::TrustMaterial;
use crate::{PqMode, TlsClientConfig, TrustStore};

/// The parts of a client configuration.
///
/// Another one is built with some of them replaced.
pub(super) struct ClientParts {
    pub(super) settings: TlsClientConfig,
    pub(super) pq: PqMode,
    pub(super) pair: Option<Arc<CertifiedKey>>,
    /// `None` for a pair from memory.
    pub(super) pair_hashes: Option<PairHashes>,
    pub(super) trust: TrustMaterial,
    /// The system's trust store; `None` with `tls_client.trust_store = path`.
    pub(super) system: Option<Arc<RootCertStore>>,
    pub(super) clock: Arc<dyn TimeProvider>,
}

impl ClientParts {
    /// Reads the pair of `config`, unless the pair is from memory.
    pub(super) fn pair_of(
        &self,
        config: &TlsClientConfig,
        pq: PqMode,
    ) -> Result<(Option<Arc<CertifiedKey>>, Option<PairHashes>), TransportError> {
        if self.pair_hashes.is_none() {
            return Ok((self.pair.clone(), None));
        }
        let mut files = PairFiles::read(pair_paths(config))?;
        let hashes = Some(files.hashes());
        if hashes == self.pair_hashes && pq == self.pq {
            return Ok((self.pair.clone(), hashes));
        }
        Ok((files.parse(&provider(pq))?, hashes))
    }

    /// Returns the authorities that servers are verified against.
    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        let roots = self.trust.roots().or(self.system.as_ref());
        roots.map_or_else(|| Arc::new(RootCertStore::empty()), Arc::clone)
    }
}

pub(super) fn pair_paths(config: &TlsClientConfig) -> PairPaths<'_> {
    PairPaths::new(
        ("tls_client.cert_path", config.cert_path()),
        ("tls_client.key_path", config.key_path()),
    )
}

/// Returns the system's trust store if it is configured.
///
/// With `before`, the store is not read again.
///
/// # Errors
/// If no certificate of the store can be read. Unreadable ones among others are skipped.
pub(super) fn system_roots(
    config: &TlsClientConfig,
    trust: &TrustMaterial,
    before: Option<&Arc<RootCertStore>>,
) -> Result<Option<Arc<RootCertStore>>, TransportError> {
    if config.trust_store() != TrustStore::System || trust.has_roots_in_memory() {
        return Ok(None);
    }
    if let Some(before) = before {
        return Ok(Some(Arc::clone(before)));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(Some(Arc::new(roots)));
    }
    let text = "the system's trust store is empty; set tls_client.trust_store = path and \
                tls_client.ca_bundle_path";
    Err(match found.errors.into_iter().next() {
        Some(cause) => tls_by(text, cause),
        None => tls(text),
    })
}
