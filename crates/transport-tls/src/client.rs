//! What a dialer trusts and shows, ready for handshakes.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use transport_core::schema::Section;
use transport_core::{Target, TransportError};

use crate::clock;
use crate::error::{tls, tls_by};
use crate::files::{At, Files, Hashes, Paths};
use crate::peers::{PeerRules, ServerCheck, Trust, Usage};
use crate::provider::provider;
use crate::{PqMode, TlsClientConfig};

/// Servers whose sessions are kept for resumption, in memory.
const MAX_SESSIONS: usize = 256;

/// Trusted authorities, the client's own certificate and protocols: TLS 1.3 alone. The name of a
/// server is always verified.
///
/// Sessions for resumption are this value's own: whatever replaces it begins without any, so that
/// none outlives the trust it was begun under.
pub struct ClientTls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    servers: ServerCheck,
    source: Source,
}

/// Where it came from, to look there again.
struct Source {
    config: TlsClientConfig,
    pq: PqMode,
    hashes: Hashes,
}

impl ClientTls {
    /// Reads the trust store and the files that the settings name. Blocks on them.
    ///
    /// # Errors
    /// [`TransportError::Tls`]: without a single trusted authority, when settings do not go
    /// together, and for the files as [`ServerTls::load`](crate::ServerTls::load).
    pub fn load(config: &TlsClientConfig, pq: PqMode) -> Result<Self, TransportError> {
        if let Some((key, why)) = config.check().into_iter().next() {
            return Err(tls(format!("{key} {why}")));
        }
        clock::check(SystemTime::now())?;
        let mut files = Files::read(paths(config))?;
        let hashes = files.hashes();
        let roots = match files.roots()? {
            Some(roots) => roots,
            None => system_roots()?,
        };
        let provider = provider(pq);
        let pair = files.pair(&provider)?;
        let name = config
            .sni_override()
            .map(|name| server_name(name, false))
            .transpose()?;
        let (built, servers) = rustls_config(roots, pair, config, provider)?;
        Ok(Self {
            config: Arc::new(built),
            name,
            servers,
            source: Source {
                config: config.clone(),
                pq,
                hashes,
            },
        })
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// How servers are verified.
    pub(crate) const fn servers(&self) -> &ServerCheck {
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

    /// What the files hold now; `None` where it is what they held before.
    pub(crate) fn reloaded(&self) -> Result<Option<Self>, TransportError> {
        let Source { config, pq, hashes } = &self.source;
        if Files::read(paths(config))?.hashes() == *hashes {
            return Ok(None);
        }
        Self::load(config, *pq).map(Some)
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
            format!("{host:?}")
        };
        tls_by(format!("{shown} is no name that a server can prove"), cause)
    };
    ServerName::try_from(host.to_owned()).map_err(wrong)
}

fn paths(config: &TlsClientConfig) -> Paths<'_> {
    Paths {
        cert: At {
            key: "tls_client.cert_path",
            path: config.cert_path(),
        },
        key: At {
            key: "tls_client.key_path",
            path: config.key_path(),
        },
        ca: At {
            key: "tls_client.ca_bundle_path",
            path: config.ca_bundle_path(),
        },
    }
}

/// The system's trust store. One unreadable certificate among many is no failure; none at all is.
fn system_roots() -> Result<RootCertStore, TransportError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let text = "the system's trust store is empty; set tls_client.trust_store = path and \
                tls_client.ca_bundle_path";
    Err(match found.errors.into_iter().next() {
        Some(cause) => tls_by(text, cause),
        None => tls(text),
    })
}

fn rustls_config(
    roots: RootCertStore,
    pair: Option<Arc<CertifiedKey>>,
    config: &TlsClientConfig,
    provider: Arc<CryptoProvider>,
) -> Result<(ClientConfig, ServerCheck), TransportError> {
    let roots = Arc::new(roots);
    let trust = Trust::new(Arc::clone(&roots), &provider, Usage::Server);
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
    let verifier = verifier.map_err(|cause| tls_by("the trust store cannot be used", cause))?;
    let rules = PeerRules::new(config.allowed(), config.spki_pins());
    let (servers, verifier) = ServerCheck::new(verifier, trust, rules);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|cause| tls_by("the crypto provider cannot be used", cause))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut built = match pair {
        Some(pair) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair))),
        None => builder.with_no_client_auth(),
    };
    built.alpn_protocols = config
        .alpn()
        .iter()
        .map(|name| name.clone().into())
        .collect();
    built.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
    built.enable_early_data = false;
    Ok((built, servers))
}
