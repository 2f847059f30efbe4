//! The parts of a server's TLS, each from its own files.

use std::sync::Arc;

use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::time_provider::TimeProvider;
use transport_core::schema::Section;
use transport_core::TransportError;

use crate::files::{self, At, Files, Hashes, Paths};
use crate::provider::provider;
use crate::trust::{Trust, TrustPaths};
use crate::{PqMode, TlsConfig};

/// The parts of a configuration, to build another one with some of them replaced.
pub(super) struct Parts {
    pub(super) settings: TlsConfig,
    pub(super) pq: PqMode,
    pub(super) pair: Arc<CertifiedKey>,
    /// `None`: the pair came from memory.
    pub(super) pair_hashes: Option<Hashes>,
    pub(super) trust: Trust,
    pub(super) clock: Arc<dyn TimeProvider>,
}

impl Parts {
    /// The pair of these settings; the one in force where the files hold the same.
    pub(super) fn pair_of(
        &self,
        config: &TlsConfig,
        pq: PqMode,
    ) -> Result<(Arc<CertifiedKey>, Option<Hashes>), TransportError> {
        if self.pair_hashes.is_none() {
            return Ok((Arc::clone(&self.pair), None));
        }
        let mut files = Files::read(pair_paths(config))?;
        let hashes = Some(files.hashes());
        if hashes == self.pair_hashes && pq == self.pq {
            return Ok((Arc::clone(&self.pair), hashes));
        }
        let none = || files::cert_failed(pair_paths(config).cert, "it is needed to listen");
        let pair = files.pair(&provider(pq))?.ok_or_else(none)?;
        Ok((pair, hashes))
    }

    /// The hash of everything that decides which clients come in.
    pub(super) fn trust_digest(&self) -> [u8; 32] {
        /// Keys of what the listener shows, and paths: replicas may have others.
        const LEFT_OUT: [&str; 6] = [
            "tls.enabled",
            "tls.cert_path",
            "tls.key_path",
            "tls.client_ca_path",
            "tls.crl_path",
            "tls.ticket_keys_path",
        ];
        let counts = |key: &&str| !LEFT_OUT.contains(key);
        let keys = self.settings.keys().into_iter();
        let keys = keys.map(|key| key.path).filter(counts);
        let value = |key| self.settings.get(key).unwrap_or_default();
        self.trust.digest(keys.map(|key| (key, value(key))))
    }
}

pub(super) fn pair_paths(config: &TlsConfig) -> Paths<'_> {
    Paths {
        cert: At {
            key: "tls.cert_path",
            path: config.cert_path(),
        },
        key: At {
            key: "tls.key_path",
            path: config.key_path(),
        },
        ca: At {
            key: "tls.client_ca_path",
            path: None,
        },
    }
}

pub(super) fn trust_paths(config: &TlsConfig) -> TrustPaths<'_> {
    TrustPaths {
        ca: At {
            key: "tls.client_ca_path",
            path: config.client_ca_path(),
        },
        crl_key: "tls.crl_path",
        crls: config.crl_path(),
        ticket_keys: At {
            key: "tls.ticket_keys_path",
            path: config.ticket_keys_path(),
        },
    }
}
