//! An authority and certificates in memory.

use ron_transport::tls::rustls::pki_types::pem::PemObject;
use ron_transport::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ron_transport::tls::{
    ClientAuth, ClientIdentity, ClientTls, PqMode, ServerTls, TlsClientConfig, TlsConfig,
    TlsMaterial,
};
use transport_testkit::pki::{Authority, Leaf};

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// An authority that issues certificates in memory.
pub(crate) struct MemoryPki {
    pub(crate) authority: Authority,
}

#[allow(dead_code)] // Each test program uses a part.
impl MemoryPki {
    pub(crate) fn new() -> Self {
        Self::named("test authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        Self {
            authority: Authority::root(name),
        }
    }

    pub(crate) fn root(&self) -> CertificateDer<'static> {
        CertificateDer::from(self.authority.der().to_vec())
    }

    pub(crate) fn issue(&self, name: &str) -> Pair {
        pair(&self.authority.leaf(&[name]))
    }

    /// A client certificate.
    pub(crate) fn identity(&self, name: &str) -> ClientIdentity {
        let (chain, key) = self.issue(name);
        ClientIdentity::new(chain, key).unwrap()
    }

    /// A server that asks for client certificates of this authority.
    pub(crate) fn server_tls(&self, name: &str) -> ServerTls {
        let mut config = TlsConfig::default();
        config.set_client_auth(ClientAuth::Optional);
        config.set_alpn(vec!["starttls".into()]).unwrap();
        let (chain, key) = self.issue(name);
        let material = TlsMaterial::new()
            .with_pair(chain, key)
            .with_authorities([self.root()]);
        ServerTls::from_material(material, &config, PqMode::Hybrid).unwrap()
    }

    /// A client with a certificate, which trusts this authority.
    pub(crate) fn client_tls(&self, name: &str) -> ClientTls {
        let mut config = TlsClientConfig::default();
        config.set_alpn(vec!["starttls".into()]).unwrap();
        let (chain, key) = self.issue(name);
        let material = TlsMaterial::new()
            .with_pair(chain, key)
            .with_authorities([self.root()]);
        ClientTls::from_material(material, &config, PqMode::Hybrid).unwrap()
    }
}

#[allow(dead_code)]
pub(crate) fn pair(leaf: &Leaf) -> Pair {
    let chain = CertificateDer::pem_slice_iter(leaf.cert.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem().as_bytes());
    (chain.collect::<Result<_, _>>().unwrap(), key.unwrap())
}
