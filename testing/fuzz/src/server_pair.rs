//! The certificate of a TLS server under test.

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use transport_testkit::pki::Authority;
use transport_tls::TlsMaterial;

/// Returns a certificate for `localhost` and its key.
pub(crate) fn server_pair(authority: &Authority) -> TlsMaterial {
    let leaf = authority.leaf(&["localhost"]);
    let chain = CertificateDer::from_pem_slice(leaf.cert.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem().as_bytes()).expect("a key");
    TlsMaterial::new().with_pair(vec![chain], key)
}
