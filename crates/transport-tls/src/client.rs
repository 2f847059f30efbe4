//! What a dialer trusts and shows, ready for handshakes.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use transport_core::escape::escape;
use transport_core::schema::Section;
use transport_core::{Target, TransportError};

use crate::allowed_san::is_narrower;
use crate::clock;
use crate::error::{tls, tls_by};
use crate::files::{ConfiguredPath, FileHashes, PairPaths, PemFiles};
use crate::peers::{Anchors, KeyPurpose, PeerCheck, PeerRules};
use crate::provider::provider;
use crate::resume::{ConnSessionStore, SessionCache};
use crate::trust::{TrustMaterial, TrustPaths};
use crate::{PqMode, TlsClientConfig, TrustStore};

/// Trusted authorities, the client's own certificate and protocols: TLS 1.3 alone. The name of a
/// server is always verified.
///
/// SessionCache for resumption are this value's own: whatever replaces it begins without any, so that
/// none outlives the trust it was begun under. A session is resumed for twelve hours after its last
/// full handshake, and not beyond the end of any certificate that the server sent.
pub struct ClientTls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    sessions: Arc<SessionCache>,
    servers: Arc<PeerCheck>,
    parts: Parts,
}

/// The parts of a configuration, to build another one with some of them replaced.
struct Parts {
    settings: TlsClientConfig,
    pq: PqMode,
    pair: Option<Arc<CertifiedKey>>,
    pair_hashes: FileHashes,
    trust: TrustMaterial,
    /// The system's trust store, where it is used.
    system: Option<Arc<RootCertStore>>,
    clock: Arc<dyn TimeProvider>,
}

impl ClientTls {
    /// Reads the trust store and the files that the settings name. Blocks on them.
    ///
    /// # Errors
    /// [`TransportError::Tls`]: without a single trusted authority, when settings do not go
    /// together, and for the files as [`ServerTls::load`](crate::ServerTls::load).
    pub fn load(config: &TlsClientConfig, pq: PqMode) -> Result<Self, TransportError> {
        Self::load_at(config, pq, Arc::new(DefaultTimeProvider))
    }

    pub(crate) fn load_at(
        config: &TlsClientConfig,
        pq: PqMode,
        clock: Arc<dyn TimeProvider>,
    ) -> Result<Self, TransportError> {
        checked(config)?;
        let trust = TrustMaterial::load(&trust_paths(config))?;
        let mut files = PemFiles::read(pair_paths(config))?;
        let pair_hashes = files.hashes();
        Self::build(Parts {
            settings: config.clone(),
            pq,
            pair: files.pair(&provider(pq))?,
            pair_hashes,
            system: system_roots(config, None)?,
            trust,
            clock,
        })
    }

    fn build(parts: Parts) -> Result<Self, TransportError> {
        checked(&parts.settings)?;
        clock::check(SystemTime::now())?;
        let name = parts
            .settings
            .sni_override()
            .map(|name| server_name(name, false))
            .transpose()?;
        let sessions = SessionCache::new(Arc::clone(&parts.clock), parts.trust.crls_end());
        let servers = Arc::new(server_check(&parts));
        let built = Self {
            config: Arc::new(rustls_config(&parts, &servers)?),
            servers,
            name,
            sessions: Arc::new(sessions),
            parts,
        };
        built.warn_of_expiry();
        Ok(built)
    }

    /// The configuration of one dial, with a session store of its own.
    pub(crate) fn session(&self) -> (Arc<ClientConfig>, Arc<ConnSessionStore>) {
        let sessions = Arc::new(ConnSessionStore::new(&self.sessions));
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::store(Arc::clone(&sessions) as _);
        (Arc::new(config), sessions)
    }

    /// How servers are verified.
    pub(crate) fn servers(&self) -> &PeerCheck {
        &self.servers
    }

    /// The name that this target must prove.
    pub(crate) fn name(
        &self,
        to: &Target,
        private: bool,
    ) -> Result<ServerName<'static>, TransportError> {
        match (&self.name, to) {
            (Some(name), _) => Ok(name.clone()),
            (None, Target::Host { host, .. }) => server_name(host, private),
            (None, _) => Err(TransportError::Unsupported {
                what: format!("tls to {to} without tls_client.sni_override: it has no name"),
            }),
        }
    }

    /// As [`ServerTls::reconfigured`](crate::ServerTls::reconfigured). The system's trust store is
    /// read anew where the settings differ.
    ///
    /// # Errors
    /// As [`ClientTls::load`].
    pub fn reconfigured(
        &self,
        config: &TlsClientConfig,
        pq: PqMode,
    ) -> Result<Option<Self>, TransportError> {
        self.warn_of_expiry();
        checked(config)?;
        let parts = &self.parts;
        let (trust, error) = TrustMaterial::read(&trust_paths(config), &parts.trust);
        if let Some(error) = error {
            return Err(error);
        }
        let mut files = PemFiles::read(pair_paths(config))?;
        let pair_hashes = files.hashes();
        let is_same = config == &parts.settings && pq == parts.pq;
        if is_same && pair_hashes == parts.pair_hashes && trust.is_same(&parts.trust) {
            return Ok(None);
        }
        Self::build(Parts {
            settings: config.clone(),
            pq,
            pair: files.pair(&provider(pq))?,
            pair_hashes,
            trust,
            system: system_roots(config, parts.system.as_ref().filter(|_| is_same))?,
            clock: Arc::clone(&parts.clock),
        })
        .map(Some)
    }

    /// As [`ServerTls::withdrawn`](crate::ServerTls::withdrawn): the part that decides which servers
    /// are trusted. The client's own pair and the protocols stay.
    #[must_use]
    pub fn withdrawn(&self, config: &TlsClientConfig) -> Option<Self> {
        let parts = &self.parts;
        let mut settings = config.clone();
        let before = &parts.settings;
        settings
            .set_cert_path(before.cert_path().map(Into::into))
            .set_key_path(before.key_path().map(Into::into))
            .set_alpn(before.alpn().to_vec())
            .ok()?;
        let (mut trust, error) = TrustMaterial::read(&trust_paths(&settings), &parts.trust);
        if error.is_some() || !settings.check().is_empty() {
            // A narrower allow-list waits for no file.
            settings = before.clone();
            if is_narrower(config.allow_sans(), before.allow_sans()) {
                settings.set_allow_sans(config.allow_sans().to_vec()).ok()?;
            }
            if !settings.check().is_empty() {
                settings = before.clone();
            }
            (trust, _) = TrustMaterial::read(&trust_paths(before), &parts.trust);
        }
        if settings == *before && trust.is_same(&parts.trust) {
            return None;
        }
        let withdrawn = Self::build(Parts {
            system: system_roots(&settings, parts.system.as_ref()).ok()?,
            settings,
            pq: parts.pq,
            pair: parts.pair.clone(),
            pair_hashes: parts.pair_hashes,
            trust,
            clock: Arc::clone(&parts.clock),
        });
        withdrawn.ok()
    }

    /// Returns the present content of the files; `None` if it is unchanged.
    pub(crate) fn reloaded(&self) -> Result<Option<Self>, TransportError> {
        self.reconfigured(&self.parts.settings, self.parts.pq)
    }

    /// As [`withdrawn`](Self::withdrawn), with the settings in force.
    pub(crate) fn withdrawn_now(&self) -> Option<Self> {
        self.withdrawn(&self.parts.settings)
    }

    fn warn_of_expiry(&self) {
        let now = clock::seconds(SystemTime::now());
        self.parts.trust.crls().warn(now);
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn server_name(host: &str, private: bool) -> Result<ServerName<'static>, TransportError> {
    let wrong = |cause| {
        let shown = if private {
            "the target".to_owned()
        } else {
            escape(host).quoted().to_string()
        };
        tls_by(format!("{shown} is no name that a server can prove"), cause)
    };
    ServerName::try_from(host.to_owned()).map_err(wrong)
}

fn checked(config: &TlsClientConfig) -> Result<(), TransportError> {
    match config.check().into_iter().next() {
        Some((key, why)) => Err(tls(format!("{key} {why}"))),
        None => Ok(()),
    }
}

fn pair_paths(config: &TlsClientConfig) -> PairPaths<'_> {
    PairPaths {
        cert: ConfiguredPath {
            key: "tls_client.cert_path",
            path: config.cert_path(),
        },
        key: ConfiguredPath {
            key: "tls_client.key_path",
            path: config.key_path(),
        },
        ca: ConfiguredPath {
            key: "tls_client.ca_bundle_path",
            path: None,
        },
    }
}

fn trust_paths(config: &TlsClientConfig) -> TrustPaths<'_> {
    TrustPaths {
        ca: ConfiguredPath {
            key: "tls_client.ca_bundle_path",
            path: config.ca_bundle_path(),
        },
        crl_key: "tls_client.crl_path",
        crls: config.crl_path(),
        ticket_keys: ConfiguredPath {
            key: "tls.ticket_keys_path",
            path: None,
        },
    }
}

/// The system's trust store where it is used; one that was read before is not read again. One
/// unreadable certificate among many is no failure; none at all is.
fn system_roots(
    config: &TlsClientConfig,
    before: Option<&Arc<RootCertStore>>,
) -> Result<Option<Arc<RootCertStore>>, TransportError> {
    if config.trust_store() != TrustStore::System {
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

/// The authorities that servers are verified against.
fn roots(parts: &Parts) -> Arc<RootCertStore> {
    let roots = parts.trust.roots().or(parts.system.as_ref());
    roots.map_or_else(|| Arc::new(RootCertStore::empty()), Arc::clone)
}

/// The rules for servers.
fn server_check(parts: &Parts) -> PeerCheck {
    let anchors = Anchors::new(roots(parts), &provider(parts.pq), KeyPurpose::Server);
    let rules = PeerRules::new(parts.settings.allowed(), parts.settings.spki_pins());
    PeerCheck::new(anchors, rules, &parts.clock)
}

fn rustls_config(parts: &Parts, servers: &Arc<PeerCheck>) -> Result<ClientConfig, TransportError> {
    let (config, provider) = (&parts.settings, provider(parts.pq));
    // Of every certificate in the chain; an unknown status is refused.
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(parts), Arc::clone(&provider))
        .with_crls(parts.trust.crls().ders())
        .enforce_revocation_expiration()
        .build();
    let verifier = verifier.map_err(|cause| tls_by("the trust store cannot be used", cause))?;
    let builder = ClientConfig::builder_with_details(provider, Arc::clone(&parts.clock))
        .with_protocol_versions(&[&TLS13])
        .map_err(|cause| tls_by("the crypto provider cannot be used", cause))?
        .dangerous()
        .with_custom_certificate_verifier(servers.of_servers(verifier));
    let mut built = match &parts.pair {
        Some(pair) => {
            let pair = SingleCertAndKey::from(Arc::clone(pair));
            builder.with_client_cert_resolver(Arc::new(pair))
        }
        None => builder.with_no_client_auth(),
    };
    built.alpn_protocols = config
        .alpn()
        .iter()
        .map(|name| name.clone().into())
        .collect();
    // Each dial brings its own store.
    built.resumption = Resumption::disabled();
    built.enable_early_data = false;
    Ok(built)
}
