//! The certificate of all servers, and the TLS configuration of both sides.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs::{default_provider, Ticketer};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use transport_testkit::pki::Authority;

/// Configurations of servers and clients.
pub(crate) struct Tls {
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
}

impl Tls {
    pub(crate) fn new() -> Self {
        let authority = Authority::new();
        let leaf = authority.leaf(&["localhost"]);
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
        roots.add(root).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let cert = CertificateDer::from_pem_slice(leaf.cert.as_bytes()).unwrap();
        let key = PrivatePkcs8KeyDer::from(leaf.key.serialize_der());
        let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key.into())
            .unwrap();
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        server.ticketer = Ticketer::new().unwrap();
        server.session_storage = Arc::new(NoServerSessionStorage {});
        Self {
            server: Arc::new(server),
            client: Arc::new(client),
        }
    }
}
