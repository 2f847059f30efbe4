//! What a listener proves and asks for, ready for handshakes.

mod parts;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::aws_lc_rs::Ticketer;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::ServerConfig;
use transport_core::schema::Section;
use transport_core::{NoIdentity, TransportError};
use zeroize::Zeroizing;

use crate::allowed_san::is_narrower;
use crate::clock;
use crate::error::{tls, tls_by};
use crate::expiry::CertificateExpiry;
use crate::files::{self, PemFiles};
use crate::peers::{Anchors, KeyPurpose, PeerCheck, PeerRules};
use crate::provider::provider;
use crate::resume::{LifetimeTicketer, Noted, SharedKeyTicketer};
use crate::trust::TrustMaterial;
use crate::{x509, ClientAuth, PqMode, TlsConfig};
use parts::{pair_paths, trust_paths, Parts};

/// A certificate with its key, trusted client authorities and protocols: TLS 1.3 alone.
///
/// SessionCache resume by tickets for twelve hours after their last full handshake, and not beyond the
/// end of any certificate that the client sent. The keys of tickets live in memory, rotate every
/// six hours and are this value's own: whatever replaces it has other keys, so that no session
/// outlives the certificate, the authorities, the CRLs or the allow-list it was begun under.
///
/// With `tls.ticket_keys_path` tickets are made and accepted with the keys of that file, at every
/// replica that has the same authorities, CRLs and allow-list; elsewhere they are of no use.
pub struct ServerTls {
    config: Arc<ServerConfig>,
    no_identity: NoIdentity,
    clients: Option<Arc<PeerCheck>>,
    expiry: Option<CertificateExpiry>,
    parts: Option<Parts>,
}

impl ServerTls {
    /// Reads the files that the settings name. Warns in the log of a certificate that expired or
    /// will within fourteen days. Blocks on the files.
    ///
    /// # Errors
    /// [`TransportError::Tls`] whose text contains `tls cert read failed`, `tls key read failed`
    /// (a key that does not belong to the certificate too), `tls crl read failed` or `insecure
    /// permissions` (a key that others than its owner can read), or says which settings do not go
    /// together. The path of the key is in none of them.
    pub fn load(config: &TlsConfig, pq: PqMode) -> Result<Self, TransportError> {
        Self::load_at(config, pq, Arc::new(DefaultTimeProvider))
    }

    pub(crate) fn load_at(
        config: &TlsConfig,
        pq: PqMode,
        clock: Arc<dyn TimeProvider>,
    ) -> Result<Self, TransportError> {
        let mut files = PemFiles::read(pair_paths(config))?;
        let pair_hashes = Some(files.hashes());
        let Some(pair) = files.pair(&provider(pq))? else {
            return Err(match config.cert_path() {
                None => files::cert_failed(pair_paths(config).cert, "it is needed to listen"),
                Some(_) => files::key_failed("tls.key_path", "it is needed to listen"),
            });
        };
        Self::build(Parts {
            settings: config.clone(),
            pq,
            pair,
            pair_hashes,
            trust: TrustMaterial::load(&trust_paths(config))?,
            clock,
        })
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
        let mut settings = config.clone();
        settings.set_cert_path(None).set_key_path(None);
        let (provider, paths) = (provider(pq), pair_paths(&settings));
        let key = Zeroizing::new(key);
        let pair = files::pair(chain, &key, &provider, paths.cert, paths.key.key)?;
        let trust = TrustMaterial::load(&trust_paths(&settings))?;
        Self::build(Parts {
            settings,
            pq,
            pair,
            pair_hashes: None,
            trust,
            clock: Arc::new(DefaultTimeProvider),
        })
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
            parts: None,
        }
    }

    fn build(parts: Parts) -> Result<Self, TransportError> {
        let settings = &parts.settings;
        if let Some((key, why)) = settings.check().into_iter().next() {
            // Nothing of a pair is missing here, so this is about client certificates.
            return Err(tls(format!("{key} {why}")));
        }
        clock::check(SystemTime::now())?;
        let leaf = parts.pair.cert.first();
        let no_identity = match settings.client_auth() {
            ClientAuth::Off => NoIdentity::NotRequested,
            ClientAuth::Optional | ClientAuth::Required => NoIdentity::NotPresented,
        };
        let clients = client_check(&parts);
        let built = Self {
            config: Arc::new(rustls_config(&parts, clients.as_ref())?),
            no_identity,
            clients,
            expiry: leaf.and_then(x509::not_after).map(CertificateExpiry::new),
            parts: Some(parts),
        };
        built.warn_of_expiry();
        Ok(built)
    }

    /// Until when the certificate is valid; `None` where that cannot be read, or was not looked
    /// at ([`ServerTls::from_rustls`]).
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.expiry.as_ref().map(CertificateExpiry::not_after)
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Why a client has no identity, if it has none.
    pub(crate) const fn no_identity(&self) -> NoIdentity {
        self.no_identity
    }

    /// How clients are verified; `None` where they are not, or by a configuration of rustls.
    pub(crate) fn clients(&self) -> Option<&PeerCheck> {
        self.clients.as_deref()
    }

    /// Returns the configuration of these settings and the present files; `None` where that
    /// is what is in force. A pair from memory stays. Blocks on the files.
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
        let (trust, error) = TrustMaterial::read(&trust_paths(config), &parts.trust);
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
        Self::build(Parts {
            settings: config.clone(),
            pq,
            pair,
            pair_hashes,
            trust,
            clock: Arc::clone(&parts.clock),
        })
        .map(Some)
    }

    /// Returns the parts of these settings and files that apply although [`reconfigured`](Self::reconfigured)
    /// failed: the part that decides which clients come in. The pair and the protocols stay; `None`
    /// where nothing changes. Blocks on the files.
    ///
    /// Authorities, CRLs, allow-lists, `tls.client_auth` and ticket keys apply together where each
    /// of them can be used. Where one cannot, it and the settings stay as they are in force, and
    /// the contents of the other files apply.
    #[must_use]
    pub fn withdrawn(&self, config: &TlsConfig) -> Option<Self> {
        let parts = self.parts.as_ref()?;
        let mut settings = config.clone();
        let before = &parts.settings;
        settings
            .set_enabled(before.enabled())
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
            settings,
            pq: parts.pq,
            pair: Arc::clone(&parts.pair),
            pair_hashes: parts.pair_hashes,
            trust,
            clock: Arc::clone(&parts.clock),
        });
        withdrawn.ok()
    }

    /// What the files hold now; `None` where it is what they held before.
    pub(crate) fn reloaded(&self) -> Result<Option<Self>, TransportError> {
        match &self.parts {
            Some(parts) => self.reconfigured(&parts.settings, parts.pq),
            None => Ok(None),
        }
    }

    /// As [`withdrawn`](Self::withdrawn), with the settings in force.
    pub(crate) fn withdrawn_now(&self) -> Option<Self> {
        self.withdrawn(&self.parts.as_ref()?.settings)
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

/// The rules for clients; `None` where none is asked for a certificate.
fn client_check(parts: &Parts) -> Option<Arc<PeerCheck>> {
    let roots = match (parts.settings.client_auth(), parts.trust.roots()) {
        (ClientAuth::Off, _) | (_, None) => return None,
        (ClientAuth::Optional | ClientAuth::Required, Some(roots)) => Arc::clone(roots),
    };
    let anchors = Anchors::new(roots, &provider(parts.pq), KeyPurpose::Client);
    let rules = PeerRules::new(parts.settings.allowed(), parts.settings.spki_pins());
    Some(Arc::new(PeerCheck::new(anchors, rules, &parts.clock)))
}

fn rustls_config(
    parts: &Parts,
    clients: Option<&Arc<PeerCheck>>,
) -> Result<ServerConfig, TransportError> {
    let unusable = |cause| tls_by("the crypto provider cannot be used", cause);
    let (config, provider) = (&parts.settings, provider(parts.pq));
    let verifier = verifier(&parts.trust, config, &provider)?;
    let verifier = verifier.map(|trusted| match clients {
        Some(check) => check.of_clients(trusted),
        None => trusted,
    });
    let builder = ServerConfig::builder_with_details(provider, Arc::clone(&parts.clock))
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(Arc::new(Noted::new(verifier))),
        None => builder.with_no_client_auth(),
    };
    let pair = SingleCertAndKey::from(Arc::clone(&parts.pair));
    let mut built = builder.with_cert_resolver(Arc::new(pair));
    built.alpn_protocols = config
        .alpn()
        .iter()
        .map(|name| name.clone().into())
        .collect();
    let sealed_by: Arc<dyn ProducesTickets> = match parts.trust.ticket_keys() {
        Some(keys) => Arc::new(SharedKeyTicketer::new(
            Arc::clone(keys),
            parts.trust_digest(),
        )),
        None => Ticketer::new().map_err(unusable)?,
    };
    let tickets =
        LifetimeTicketer::new(sealed_by, Arc::clone(&parts.clock), parts.trust.crls_end());
    built.ticketer = Arc::new(tickets);
    built.session_storage = Arc::new(NoServerSessionStorage {});
    // Early data can be replayed, and half-RTT data goes to a client that has proved nothing yet.
    built.max_early_data_size = 0;
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
    // Of every certificate in the chain; an unknown status is refused.
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
