//! Certificates and keys, created per test in a temporary directory.
#![allow(dead_code)]

pub(crate) mod chain;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
pub(crate) use transport_testkit::pki::{Authority, Leaf};
use transport_tls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use transport_tls::rustls::pki_types::pem::PemObject;
use transport_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use transport_tls::rustls::sign::SigningKey;
use transport_tls::{
    ClientAuth, ClientTls, PqMode, Reloadable, ServerTls, TlsClientConfig, TlsConfig, TrustStore,
};

/// The name of every server.
pub(crate) const SERVER: &str = "server.example";

/// Returns the certificates of the chain as DER.
pub(crate) fn ders(leaf: &Leaf) -> Vec<CertificateDer<'static>> {
    let chain = CertificateDer::pem_slice_iter(leaf.cert.as_bytes());
    chain.map(Result::unwrap).collect()
}

/// Returns the key in the form that rustls signs with.
pub(crate) fn signing_key(leaf: &Leaf) -> Arc<dyn SigningKey> {
    let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
    any_supported_type(&key).unwrap()
}

/// A directory of files for one server and one client.
pub(crate) struct Files(TempDir);

impl Files {
    /// Creates an empty directory.
    pub(crate) fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Creates the server's pair and the client's trusted authority.
    pub(crate) fn new(authority: &Authority, server: &Leaf) -> Self {
        let files = Self::empty();
        files.put_pair(server);
        files.put("ca.pem", &authority.pem());
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a file with mode 0600.
    pub(crate) fn put_key(&self, name: &str, text: &str) -> PathBuf {
        let path = self.put(name, text);
        set_mode(&path, 0o600);
        path
    }

    pub(crate) fn put_pair(&self, leaf: &Leaf) {
        self.put("cert.pem", &leaf.cert);
        self.put_key("key.pem", &leaf.key_pem());
    }

    pub(crate) fn server_config(&self) -> TlsConfig {
        let mut config = TlsConfig::default();
        config
            .set_cert_path(Some(self.path("cert.pem")))
            .set_key_path(Some(self.path("key.pem")));
        config
    }

    /// Returns settings that request certificates issued by `client-ca.pem`.
    pub(crate) fn mutual_config(&self, auth: ClientAuth, authority: &Authority) -> TlsConfig {
        let mut config = self.server_config();
        let path = self.put("client-ca.pem", &authority.pem());
        config.set_client_auth(auth).set_client_ca_path(Some(path));
        config
    }

    pub(crate) fn client_config(&self) -> TlsClientConfig {
        let mut config = TlsClientConfig::default();
        config
            .set_trust_store(TrustStore::Path)
            .set_ca_bundle_path(Some(self.path("ca.pem")));
        config
    }

    /// Returns settings with this client certificate.
    pub(crate) fn client_config_with(&self, leaf: &Leaf) -> TlsClientConfig {
        let mut config = self.client_config();
        config
            .set_cert_path(Some(self.put("client.pem", &leaf.cert)))
            .set_key_path(Some(self.put_key("client-key.pem", &leaf.key_pem())));
        config
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn server(config: &TlsConfig, pq: PqMode) -> Reloadable<ServerTls> {
    Reloadable::new(ServerTls::load(config, pq).unwrap())
}

pub(crate) fn client(config: &TlsClientConfig, pq: PqMode) -> Reloadable<ClientTls> {
    Reloadable::new(ClientTls::load(config, pq).unwrap())
}
