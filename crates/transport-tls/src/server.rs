//! What a listener proves and asks for, ready for handshakes.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::aws_lc_rs::Ticketer;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use transport_core::schema::Section;
use transport_core::{NoIdentity, TransportError};
use zeroize::Zeroizing;

use crate::clock;
use crate::error::{tls, tls_by};
use crate::expiry::Expiry;
use crate::files::{self, At, Files, Hashes, Paths};
use crate::peers::{ClientCheck, PeerCheck, PeerRules, Trust, Usage};
use crate::provider::provider;
use crate::{x509, ClientAuth, PqMode, TlsConfig};

/// A certificate with its key, trusted client authorities and protocols: TLS 1.3 alone.
///
/// Sessions resume by tickets whose keys live in memory, rotate every six hours and are this
/// value's own. Whatever replaces it has other keys, so that no session outlives the certificate,
/// the authorities or the allow-list it was begun under; each client then shakes hands in full
/// once.
pub struct ServerTls {
    config: Arc<ServerConfig>,
    no_identity: NoIdentity,
    clients: Option<ClientCheck>,
    expiry: Option<Expiry>,
    source: Option<Source>,
}

/// Where it came from, to look there again.
struct Source {
    config: TlsConfig,
    pq: PqMode,
    hashes: Hashes,
}

impl ServerTls {
    /// Reads the files that the settings name. Warns in the log of a certificate that expired or
    /// will within fourteen days. Blocks on the files.
    ///
    /// # Errors
    /// [`TransportError::Tls`] whose text contains `tls cert read failed`, `tls key read failed`
    /// (a key that does not belong to the certificate too) or `insecure permissions` (a key that
    /// others than its owner can read), or says which settings do not go together. The path of
    /// the key is in none of them.
    pub fn load(config: &TlsConfig, pq: PqMode) -> Result<Self, TransportError> {
        let mut files = Files::read(paths(config))?;
        let hashes = files.hashes();
        let provider = provider(pq);
        let Some(pair) = files.pair(&provider)? else {
            return Err(match config.cert_path() {
                None => files::cert_failed(paths(config).cert, "it is needed to listen"),
                Some(_) => files::key_failed("tls.key_path", "it is needed to listen"),
            });
        };
        let source = Source {
            config: config.clone(),
            pq,
            hashes,
        };
        Self::new(pair, files.roots()?, config, provider, Some(source))
    }

    /// From a chain (leaf first) and a key in memory; the paths of the pair in `config` are not
    /// looked at. The key is overwritten once it is parsed.
    ///
    /// # Errors
    /// As [`ServerTls::load`].
    pub fn from_pair(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        config: &TlsConfig,
        pq: PqMode,
    ) -> Result<Self, TransportError> {
        let mut config = config.clone();
        config.set_cert_path(None).set_key_path(None);
        let (provider, paths) = (provider(pq), paths(&config));
        let key = Zeroizing::new(key);
        let pair = files::pair(chain, &key, &provider, paths.cert, paths.key.key)?;
        let roots = Files::read(paths)?.roots()?;
        Self::new(pair, roots, &config, provider, None)
    }

    /// From a configuration of rustls that is ready to use. Handshakes that it lets end below
    /// TLS 1.3 are refused all the same; everything else is as it says.
    #[must_use]
    pub const fn from_rustls(config: Arc<ServerConfig>) -> Self {
        Self {
            config,
            no_identity: NoIdentity::NotPresented,
            clients: None,
            expiry: None,
            source: None,
        }
    }

    fn new(
        pair: Arc<CertifiedKey>,
        roots: Option<RootCertStore>,
        config: &TlsConfig,
        provider: Arc<CryptoProvider>,
        source: Option<Source>,
    ) -> Result<Self, TransportError> {
        if let Some((key, why)) = config.check().into_iter().next() {
            // Nothing of a pair is missing here, so this is about client certificates.
            return Err(tls(format!("{key} {why}")));
        }
        clock::check(SystemTime::now())?;
        let expiry = pair.cert.first().and_then(x509::not_after).map(Expiry::new);
        if let Some(expiry) = &expiry {
            expiry.warn(SystemTime::now());
        }
        let no_identity = match config.client_auth() {
            ClientAuth::Off => NoIdentity::NotRequested,
            ClientAuth::Optional | ClientAuth::Required => NoIdentity::NotPresented,
        };
        let (config, clients) = rustls_config(pair, roots, config, provider)?;
        Ok(Self {
            config: Arc::new(config),
            no_identity,
            clients,
            expiry,
            source,
        })
    }

    /// Until when the certificate is valid; `None` where that cannot be read, or was not looked
    /// at ([`ServerTls::from_rustls`]).
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.expiry.as_ref().map(Expiry::not_after)
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Why a client has no identity, if it has none.
    pub(crate) const fn no_identity(&self) -> NoIdentity {
        self.no_identity
    }

    /// How clients are verified; `None` where they are not, or by a configuration of rustls.
    pub(crate) fn clients(&self) -> Option<&dyn PeerCheck> {
        self.clients.as_ref().map(|check| check as _)
    }

    /// What the files hold now; `None` where it is what they held before.
    pub(crate) fn reloaded(&self) -> Result<Option<Self>, TransportError> {
        if let Some(expiry) = &self.expiry {
            expiry.warn(SystemTime::now());
        }
        let Some(source) = &self.source else {
            return Ok(None);
        };
        if Files::read(paths(&source.config))?.hashes() == source.hashes {
            return Ok(None);
        }
        Self::load(&source.config, source.pq).map(Some)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("not_after", &self.not_after())
            .finish_non_exhaustive()
    }
}

fn paths(config: &TlsConfig) -> Paths<'_> {
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
            path: config.client_ca_path(),
        },
    }
}

fn rustls_config(
    pair: Arc<CertifiedKey>,
    roots: Option<RootCertStore>,
    config: &TlsConfig,
    provider: Arc<CryptoProvider>,
) -> Result<(ServerConfig, Option<ClientCheck>), TransportError> {
    let unusable = |cause| tls_by("the crypto provider cannot be used", cause);
    let verifier = verifier(roots, config, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?;
    let (builder, clients) = match verifier {
        Some((check, verifier)) => (builder.with_client_cert_verifier(verifier), Some(check)),
        None => (builder.with_no_client_auth(), None),
    };
    let mut built = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    built.alpn_protocols = config
        .alpn()
        .iter()
        .map(|name| name.clone().into())
        .collect();
    built.ticketer = Ticketer::new().map_err(unusable)?;
    built.session_storage = Arc::new(NoServerSessionStorage {});
    // Early data can be replayed, and half-RTT data goes to a client that has proved nothing yet.
    built.max_early_data_size = 0;
    built.send_half_rtt_data = false;
    Ok((built, clients))
}

fn verifier(
    roots: Option<RootCertStore>,
    config: &TlsConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<(ClientCheck, Arc<dyn ClientCertVerifier>)>, TransportError> {
    let roots = match (config.client_auth(), roots) {
        (ClientAuth::Off, _) | (_, None) => return Ok(None),
        (ClientAuth::Optional | ClientAuth::Required, Some(roots)) => Arc::new(roots),
    };
    let trust = Trust::new(Arc::clone(&roots), provider, Usage::Client);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let builder = match config.client_auth() {
        ClientAuth::Optional => builder.allow_unauthenticated(),
        _ => builder,
    };
    let unusable = |cause| tls_by("tls.client_ca_path cannot be used", cause);
    let trusted = builder.build().map_err(unusable)?;
    let rules = PeerRules::new(config.allowed(), config.spki_pins());
    Ok(Some(ClientCheck::new(trusted, trust, rules)))
}
