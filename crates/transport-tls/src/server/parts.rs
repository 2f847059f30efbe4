//! The parts of a server configuration, each from its own files.

use std::sync::Arc;

use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::time_provider::TimeProvider;
use transport_core::schema::Section;
use transport_core::TransportError;

use crate::files;
use crate::pair::{PairFiles, PairHashes, PairPaths};
use crate::provider::provider;
use crate::trust::TrustMaterial;
use crate::{PqMode, TlsConfig};

/// The parts of a server configuration.
///
/// Another one is built with some of them replaced.
pub(super) struct ServerParts {
    pub(super) settings: TlsConfig,
    pub(super) pq: PqMode,
    pub(super) pair: Arc<CertifiedKey>,
    /// `None` for a pair from memory.
    pub(super) pair_hashes: Option<PairHashes>,
    pub(super) trust: TrustMaterial,
    pub(super) clock: Arc<dyn TimeProvider>,
}

impl ServerParts {
    /// Reads the pair of `config`.
    ///
    /// Keeps the current pair if the files are unchanged.
    pub(super) fn pair_of(
        &self,
        config: &TlsConfig,
        pq: PqMode,
    ) -> Result<(Arc<CertifiedKey>, Option<PairHashes>), TransportError> {
        if self.pair_hashes.is_none() {
            return Ok((Arc::clone(&self.pair), None));
        }
        let mut pair_files = PairFiles::read(pair_paths(config))?;
        let hashes = Some(pair_files.hashes());
        if hashes == self.pair_hashes && pq == self.pq {
            return Ok((Arc::clone(&self.pair), hashes));
        }
        let none = || files::cert_failed(pair_paths(config).cert, "it is required to listen");
        let pair = pair_files.parse(&provider(pq))?.ok_or_else(none)?;
        Ok((pair, hashes))
    }

    /// Returns the hash of the client trust.
    ///
    /// It covers the settings and files that decide which clients are accepted.
    pub(super) fn trust_digest(&self) -> [u8; 32] {
        /// Keys that may differ between replicas: credentials and paths.
        const EXCLUDED: [&str; 6] = [
            "tls.enabled",
            "tls.cert_path",
            "tls.key_path",
            "tls.client_ca_path",
            "tls.crl_path",
            "tls.ticket_keys_path",
        ];
        let is_included = |key: &&str| !EXCLUDED.contains(key);
        let keys = self.settings.keys().into_iter();
        let keys = keys.map(|key| key.path).filter(is_included);
        let value = |key| self.settings.get(key).unwrap_or_default();
        self.trust.digest(keys.map(|key| (key, value(key))))
    }
}

pub(super) fn pair_paths(config: &TlsConfig) -> PairPaths<'_> {
    PairPaths::new(
        ("tls.cert_path", config.cert_path()),
        ("tls.key_path", config.key_path()),
    )
}
