//! Server-side TLS configuration.

mod memory;
mod parts;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::aws_lc_rs::Ticketer;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::ServerConfig;
use transport_core::schema::Section;
use transport_core::{NoIdentity, TransportError};

use crate::clock;
use crate::error::{tls, tls_by};
use crate::expiry::CertificateExpiry;
use crate::files;
use crate::pair::PairFiles;
use crate::peers::{Anchors, KeyPurpose, PeerCheck, PeerRules, PeerVerifier};
use crate::provider::{mode_of, provider};
use crate::resume::{LifetimeTicketer, SharedKeyTicketer};
use crate::trust::TrustMaterial;
use crate::trust_update::{trust_update, TrustSettings};
use crate::{x509, ClientAuth, PqMode, TlsConfig};
use parts::{pair_paths, ServerParts};

/// Server-side TLS configuration: TLS 1.3 only.
///
/// It contains a certificate with its key, trusted client authorities and the protocols.
///
/// Sessions resume by tickets for twelve hours after their last full handshake, and no longer than
/// any certificate that the client sent is valid. Ticket keys are in memory only, rotate every six
/// hours and belong to one value. A replacement has other keys, so no session outlives the
/// certificate, the authorities, the CRLs or the allow-list that it was established under.
///
/// The listener's order of cipher suites counts, the cheapest first: AES-128-GCM where the processor has
/// AES, else ChaCha20. With [`PqMode::Required`] the client's order counts.
///
/// With `tls.ticket_keys_path` tickets use the keys of that file. Every replica with the same
/// authorities, CRLs and allow-list accepts them; others ignore them.
///
/// # Example
///
/// ```no_run
/// use transport_tls::{ClientAuth, PqMode, ServerTls, TlsConfig};
///
/// let mut config = TlsConfig::default();
/// config
///     .set_cert_path(Some("/etc/ron/tls.pem".into()))
///     .set_key_path(Some("/etc/ron/tls.key".into()))
///     .set_client_auth(ClientAuth::Required)
///     .set_client_ca_path(Some("/etc/ron/clients.pem".into()));
/// let tls = ServerTls::load(&config, PqMode::Hybrid)?;
/// println!("valid until {:?}", tls.not_after());
/// # Ok::<(), transport_core::TransportError>(())
/// ```
pub struct ServerTls {
    config: Arc<ServerConfig>,
    no_identity: NoIdentity,
    client_check: Option<Arc<PeerCheck>>,
    expiry: Option<CertificateExpiry>,
    parts: Option<ServerParts>,
}

impl ServerTls {
    /// Reads the configured files; blocks on file I/O.
    ///
    /// Logs a warning for a certificate that has expired or expires within fourteen days.
    ///
    /// # Errors
    /// [`TransportError::Tls`] with one of these texts:
    /// - `tls cert read failed`, `tls crl read failed`.
    /// - `tls key read failed`, also for a key that does not belong to the certificate.
    /// - `insecure permissions` for a key that users other than its owner can read.
    /// - The names of the settings that conflict.
    ///
    /// No text contains the path of the key.
    pub fn load(config: &TlsConfig, pq: PqMode) -> Result<Self, TransportError> {
        Self::load_at(config, pq, Arc::new(DefaultTimeProvider))
    }

    pub(crate) fn load_at(
        config: &TlsConfig,
        pq: PqMode,
        clock: Arc<dyn TimeProvider>,
    ) -> Result<Self, TransportError> {
        let mut pair_files = PairFiles::read(pair_paths(config))?;
        let pair_hashes = Some(pair_files.hashes());
        let Some(pair) = pair_files.parse(&provider(pq))? else {
            return Err(match config.cert_path() {
                None => files::cert_failed(pair_paths(config).cert, "it is required to listen"),
                Some(_) => files::key_failed("tls.key_path", "it is required to listen"),
            });
        };
        Self::build(ServerParts {
            settings: config.clone(),
            pq,
            pair,
            pair_hashes,
            trust: TrustMaterial::load(&config.trust_paths())?,
            clock,
        })
    }

    /// Uses a complete rustls configuration.
    ///
    /// Sessions older than TLS 1.3 are refused even if it allows them. Everything else is as
    /// configured: the key exchange groups, which [`pq_mode`](Self::pq_mode) reports, the clients
    /// that it accepts, and the sessions that it resumes. A configuration that replaces another one
    /// must not share its session storage or ticket keys if the accepted clients differ: a resumed
    /// session is not verified again. Its expiry is unknown.
    #[must_use]
    pub const fn from_rustls(config: Arc<ServerConfig>) -> Self {
        Self {
            config,
            no_identity: NoIdentity::NotPresented,
            client_check: None,
            expiry: None,
            parts: None,
        }
    }

    fn build(parts: ServerParts) -> Result<Self, TransportError> {
        let settings = &parts.settings;
        let in_memory = parts.trust.has_roots_in_memory();
        let is_needless = |key: &str| in_memory && key == "tls.client_ca_path";
        let mut conflicts = settings.check().into_iter();
        if let Some((key, why)) = conflicts.find(|(key, _)| !is_needless(key)) {
            // The pair exists, so only settings for client certificates can conflict.
            return Err(tls(format!("{key} {why}")));
        }
        clock::check(SystemTime::now())?;
        let leaf = parts.pair.cert.first();
        let no_identity = match settings.client_auth() {
            ClientAuth::Off => NoIdentity::NotRequested,
            ClientAuth::Optional | ClientAuth::Required => NoIdentity::NotPresented,
        };
        let clients = new_client_check(&parts);
        let built = Self {
            config: Arc::new(rustls_config(&parts, clients.as_ref())?),
            no_identity,
            client_check: clients,
            expiry: leaf.and_then(x509::not_after).map(CertificateExpiry::new),
            parts: Some(parts),
        };
        built.warn_of_expiry();
        Ok(built)
    }

    /// Returns when the certificate expires.
    ///
    /// `None` if its date cannot be read, and for [`ServerTls::from_rustls`].
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.expiry.as_ref().map(CertificateExpiry::not_after)
    }

    /// Returns when the first CRL expires; `None` without CRLs.
    #[must_use]
    pub fn crl_next_update(&self) -> Option<SystemTime> {
        self.parts.as_ref()?.trust.crl_next_update()
    }

    /// Returns the key exchanges that its groups amount to.
    #[must_use]
    pub fn pq_mode(&self) -> PqMode {
        mode_of(self.config.crypto_provider())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Returns the reason for clients without an identity.
    pub(crate) const fn no_identity(&self) -> NoIdentity {
        self.no_identity
    }

    /// Returns the rules for clients; `None` without client certificates or settings.
    pub(crate) fn client_check(&self) -> Option<&PeerCheck> {
        self.client_check.as_deref()
    }

    /// Reads the files again with these settings; `None` if nothing has changed.
    ///
    /// A certificate and key from memory stay. Blocks on file I/O.
    ///
    /// # Errors
    /// As [`ServerTls::load`].
    pub fn reconfigured(
        &self,
        config: &TlsConfig,
        pq: PqMode,
    ) -> Result<Option<Self>, TransportError> {
        self.warn_of_expiry();
        let Some(parts) = &self.parts else {
            return Ok(None);
        };
        let (pair, pair_hashes) = parts.pair_of(config, pq)?;
        let (trust, error) = TrustMaterial::read(&config.trust_paths(), &parts.trust);
        if let Some(error) = error {
            return Err(error);
        }
        let is_same = config == &parts.settings
            && pq == parts.pq
            && pair_hashes == parts.pair_hashes
            && trust.is_same(&parts.trust);
        if is_same {
            return Ok(None);
        }
        Self::build(ServerParts {
            settings: config.clone(),
            pq,
            pair,
            pair_hashes,
            trust,
            clock: Arc::clone(&parts.clock),
        })
        .map(Some)
    }

    /// Returns the trust changes that apply although [`reconfigured`](Self::reconfigured) failed.
    ///
    /// Authorities, CRLs, allow-lists, `tls.client_auth` and ticket keys apply together if each of
    /// them can be used. Otherwise the part that cannot be used and the settings stay as they are,
    /// except for a narrower allow-list, and the content of the other files applies. The certificate
    /// and the protocols always stay. Returns `None` if nothing changes. Blocks on file I/O.
    #[must_use]
    pub fn reconfigured_trust(&self, config: &TlsConfig) -> Option<Self> {
        let parts = self.parts.as_ref()?;
        let (settings, trust) = trust_update(config, &parts.settings, &parts.trust)?;
        let updated = Self::build(ServerParts {
            settings,
            pq: parts.pq,
            pair: Arc::clone(&parts.pair),
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

    fn warn_of_expiry(&self) {
        let now = SystemTime::now();
        if let Some(expiry) = &self.expiry {
            expiry.warn(now);
        }
        if let Some(parts) = &self.parts {
            parts.trust.crls().warn(clock::seconds(now));
        }
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("not_after", &self.not_after())
            .finish_non_exhaustive()
    }
}

/// Returns the rules for clients; `None` if no certificate is requested.
fn new_client_check(parts: &ServerParts) -> Option<Arc<PeerCheck>> {
    let roots = match (parts.settings.client_auth(), parts.trust.roots()) {
        (ClientAuth::Off, _) | (_, None) => return None,
        (ClientAuth::Optional | ClientAuth::Required, Some(roots)) => Arc::clone(roots),
    };
    let anchors = Anchors::new(roots, &provider(parts.pq), KeyPurpose::Client);
    let rules = PeerRules::new(parts.settings.allowed(), parts.settings.spki_pins());
    Some(Arc::new(PeerCheck::new(anchors, rules, &parts.clock)))
}

fn rustls_config(
    parts: &ServerParts,
    clients: Option<&Arc<PeerCheck>>,
) -> Result<ServerConfig, TransportError> {
    let unusable = |cause| tls_by("the crypto provider cannot be used", cause);
    let (config, provider) = (&parts.settings, provider(parts.pq));
    let verifier = verifier(&parts.trust, config, &provider)?;
    let verifier: Option<Arc<dyn ClientCertVerifier>> = match (verifier, clients) {
        (Some(verifier), Some(check)) => {
            Some(Arc::new(PeerVerifier::new(verifier, Arc::clone(check))))
        }
        (verifier, _) => verifier,
    };
    let builder = ServerConfig::builder_with_details(provider, Arc::clone(&parts.clock))
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let pair = SingleCertAndKey::from(Arc::clone(&parts.pair));
    let mut built = builder.with_cert_resolver(Arc::new(pair));
    built.alpn_protocols = config
        .alpn()
        .iter()
        .map(|name| name.clone().into())
        .collect();
    let encryption: Arc<dyn ProducesTickets> = match parts.trust.ticket_keys() {
        Some(keys) => Arc::new(SharedKeyTicketer::new(
            Arc::clone(keys),
            parts.trust_digest(),
        )),
        None => Ticketer::new().map_err(unusable)?,
    };
    let tickets =
        LifetimeTicketer::new(encryption, Arc::clone(&parts.clock), parts.trust.crls_end());
    built.ticketer = Arc::new(tickets);
    // A post-quantum policy may mean AES-256; then the client's order counts.
    built.ignore_client_order = parts.pq != PqMode::Required;
    built.session_storage = Arc::new(NoServerSessionStorage {});
    // Early data can be replayed, and half-RTT data is sent to an unverified client.
    built.max_early_data_size = 0;
    // A connection uses one ticket and gets the next. Each costs an encryption and 200 bytes.
    built.send_tls13_tickets = 1;
    built.send_half_rtt_data = false;
    Ok(built)
}

fn verifier(
    trust: &TrustMaterial,
    config: &TlsConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TransportError> {
    let roots = match (config.client_auth(), trust.roots()) {
        (ClientAuth::Off, _) | (_, None) => return Ok(None),
        (ClientAuth::Optional | ClientAuth::Required, Some(roots)) => Arc::clone(roots),
    };
    // Checks every certificate of the chain and refuses an unknown status.
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
        .with_crls(trust.crls().ders())
        .enforce_revocation_expiration();
    let builder = match config.client_auth() {
        ClientAuth::Optional => builder.allow_unauthenticated(),
        _ => builder,
    };
    let unusable = |cause| tls_by("tls.client_ca_path cannot be used", cause);
    builder.build().map(Some).map_err(unusable)
}
