//! Client-side TLS configuration.

mod handshake;
mod identity;
mod memory;
mod options;
mod parts;

pub(crate) use handshake::ClientHandshake;
pub use identity::ClientIdentity;
pub use options::ClientOptions;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::ClientConfig;
use transport_core::escape::escape;
use transport_core::schema::Section;
use transport_core::TransportError;

use crate::clock;
use crate::error::{tls, tls_by};
use crate::pair::PairFiles;
use crate::peers::{Anchors, KeyPurpose, PeerCheck, PeerRules, PeerVerifier};
use crate::provider::{mode_of, provider};
use crate::resume::SessionCache;
use crate::trust::TrustMaterial;
use crate::trust_update::{trust_update, TrustSettings};
use crate::{PqMode, TlsClientConfig};
use parts::{pair_paths, system_roots, ClientParts};

/// Client-side TLS configuration: TLS 1.3 only, server names always verified.
///
/// It contains trusted authorities, the client's own certificate and the protocols.
///
/// Each value has its own session cache. A replacement starts with an empty one, so no session
/// outlives the trust that it was established under. A session resumes for twelve hours after its
/// last full handshake, and no longer than any certificate that the server sent is valid.
///
/// # Example
///
/// ```no_run
/// use transport_tls::{ClientTls, PqMode, TlsClientConfig, TrustStore};
///
/// let mut config = TlsClientConfig::default();
/// config
///     .set_trust_store(TrustStore::Path)
///     .set_ca_bundle_path(Some("/etc/ron/ca.pem".into()));
/// let tls = ClientTls::load(&config, PqMode::Hybrid)?;
/// # Ok::<(), transport_core::TransportError>(())
/// ```
pub struct ClientTls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    /// `None` for [`ClientTls::from_rustls`], which resumes as configured.
    sessions: Option<Arc<SessionCache>>,
    server_check: Option<Arc<PeerCheck>>,
    parts: Option<ClientParts>,
}

impl ClientTls {
    /// Reads the trust store and the configured files; blocks on file I/O.
    ///
    /// # Errors
    /// [`TransportError::Tls`] without any trusted authority, for settings that conflict, and for
    /// the files as [`ServerTls::load`](crate::ServerTls::load).
    pub fn load(config: &TlsClientConfig, pq: PqMode) -> Result<Self, TransportError> {
        Self::load_at(config, pq, Arc::new(DefaultTimeProvider))
    }

    pub(crate) fn load_at(
        config: &TlsClientConfig,
        pq: PqMode,
        clock: Arc<dyn TimeProvider>,
    ) -> Result<Self, TransportError> {
        checked(config)?;
        let trust = TrustMaterial::load(&config.trust_paths())?;
        let mut files = PairFiles::read(pair_paths(config))?;
        let pair_hashes = Some(files.hashes());
        Self::build(ClientParts {
            settings: config.clone(),
            pq,
            pair: files.parse(&provider(pq))?,
            pair_hashes,
            system: system_roots(config, &trust, None)?,
            trust,
            clock,
        })
    }

    fn build(parts: ClientParts) -> Result<Self, TransportError> {
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
            server_check: Some(servers),
            name,
            sessions: Some(Arc::new(sessions)),
            parts: Some(parts),
        };
        built.warn_of_expiry();
        Ok(built)
    }

    /// Returns the rules for servers; `None` for [`ClientTls::from_rustls`].
    pub(crate) fn server_check(&self) -> Option<&PeerCheck> {
        self.server_check.as_deref()
    }

    /// Returns the key exchanges that its groups amount to.
    #[must_use]
    pub fn pq_mode(&self) -> PqMode {
        mode_of(self.config.crypto_provider())
    }

    /// As [`ServerTls::reconfigured`](crate::ServerTls::reconfigured).
    ///
    /// The system's trust store is read again only if the settings differ.
    ///
    /// # Errors
    /// As [`ClientTls::load`].
    pub fn reconfigured(
        &self,
        config: &TlsClientConfig,
        pq: PqMode,
    ) -> Result<Option<Self>, TransportError> {
        self.warn_of_expiry();
        let Some(parts) = &self.parts else {
            return Ok(None);
        };
        checked(config)?;
        let (trust, error) = TrustMaterial::read(&config.trust_paths(), &parts.trust);
        if let Some(error) = error {
            return Err(error);
        }
        let (pair, pair_hashes) = parts.pair_of(config, pq)?;
        let is_same = config == &parts.settings && pq == parts.pq;
        if is_same && pair_hashes == parts.pair_hashes && trust.is_same(&parts.trust) {
            return Ok(None);
        }
        let before = parts.system.as_ref().filter(|_| is_same);
        Self::build(ClientParts {
            settings: config.clone(),
            pq,
            pair,
            pair_hashes,
            system: system_roots(config, &trust, before)?,
            trust,
            clock: Arc::clone(&parts.clock),
        })
        .map(Some)
    }

    /// As [`ServerTls::reconfigured_trust`](crate::ServerTls::reconfigured_trust), for servers.
    ///
    /// The client's own certificate and the protocols stay.
    #[must_use]
    pub fn reconfigured_trust(&self, config: &TlsClientConfig) -> Option<Self> {
        let parts = self.parts.as_ref()?;
        let (settings, trust) = trust_update(config, &parts.settings, &parts.trust)?;
        let updated = Self::build(ClientParts {
            system: system_roots(&settings, &trust, parts.system.as_ref()).ok()?,
            settings,
            pq: parts.pq,
            pair: parts.pair.clone(),
            pair_hashes: parts.pair_hashes,
            trust,
            clock: Arc::clone(&parts.clock),
        });
        updated.ok()
    }

    /// Reads the files again; `None` if their content is unchanged.
    pub(crate) fn reloaded(&self) -> Result<Option<Self>, TransportError> {
        match &self.parts {
            Some(parts) => self.reconfigured(&parts.settings, parts.pq),
            None => Ok(None),
        }
    }

    /// As [`reconfigured_trust`](Self::reconfigured_trust), with the current settings.
    pub(crate) fn reloaded_trust(&self) -> Option<Self> {
        self.reconfigured_trust(&self.parts.as_ref()?.settings)
    }

    /// Returns when the first CRL expires; `None` without CRLs.
    #[must_use]
    pub fn crl_next_update(&self) -> Option<SystemTime> {
        self.parts.as_ref()?.trust.crl_next_update()
    }

    fn warn_of_expiry(&self) {
        let now = clock::seconds(SystemTime::now());
        if let Some(parts) = &self.parts {
            parts.trust.crls().warn(now);
        }
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
    let invalid = |cause| {
        let shown = if private {
            "the target".to_owned()
        } else {
            escape(host).quoted().to_string()
        };
        tls_by(
            format!("{shown} is not a valid server name: use a DNS name or an IP address"),
            cause,
        )
    };
    ServerName::try_from(host.to_owned()).map_err(invalid)
}

fn checked(config: &TlsClientConfig) -> Result<(), TransportError> {
    match config.check().into_iter().next() {
        Some((key, why)) => Err(tls(format!("{key} {why}"))),
        None => Ok(()),
    }
}

/// Returns the rules for servers.
fn server_check(parts: &ClientParts) -> PeerCheck {
    let anchors = Anchors::new(parts.roots(), &provider(parts.pq), KeyPurpose::Server);
    let rules = PeerRules::new(parts.settings.allowed(), parts.settings.spki_pins());
    PeerCheck::new(anchors, rules, &parts.clock)
}

fn rustls_config(
    parts: &ClientParts,
    servers: &Arc<PeerCheck>,
) -> Result<ClientConfig, TransportError> {
    let (config, provider) = (&parts.settings, provider(parts.pq));
    // Checks every certificate of the chain and refuses an unknown status.
    let verifier =
        WebPkiServerVerifier::builder_with_provider(parts.roots(), Arc::clone(&provider))
            .with_crls(parts.trust.crls().ders())
            .enforce_revocation_expiration()
            .build();
    let verifier = verifier.map_err(|cause| tls_by("the trust store cannot be used", cause))?;
    let builder = ClientConfig::builder_with_details(provider, Arc::clone(&parts.clock))
        .with_protocol_versions(&[&TLS13])
        .map_err(|cause| tls_by("the crypto provider cannot be used", cause))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PeerVerifier::<dyn ServerCertVerifier>::new(
            verifier,
            Arc::clone(servers),
        )));
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
    // Each dial has its own store.
    built.resumption = Resumption::disabled();
    built.enable_early_data = false;
    Ok(built)
}
