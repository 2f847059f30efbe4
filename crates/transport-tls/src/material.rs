//! Certificates and keys from memory, in place of files.

use std::fmt;

use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// Certificates and keys from memory, in place of files.
///
/// For embedders that get them from Vault, SPIRE or an ACME client.
/// [`ServerTls::from_material`](crate::ServerTls::from_material) and
/// [`ClientTls::from_material`](crate::ClientTls::from_material) use it. The key is overwritten when
/// it is dropped.
///
/// ```
/// use transport_tls::rustls::pki_types::pem::PemObject;
/// use transport_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
/// use transport_tls::TlsMaterial;
///
/// fn from_pem(
///     chain: &[u8],
///     key: &[u8],
/// ) -> Result<TlsMaterial, transport_tls::rustls::pki_types::pem::Error> {
///     let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>()?;
///     Ok(TlsMaterial::new().with_pair(chain, PrivateKeyDer::from_pem_slice(key)?))
/// }
/// ```
#[derive(Default)]
pub struct TlsMaterial {
    pub(crate) pair: Option<(
        Vec<CertificateDer<'static>>,
        Zeroizing<PrivateKeyDer<'static>>,
    )>,
    pub(crate) authorities: Option<Vec<CertificateDer<'static>>>,
}

impl TlsMaterial {
    /// Returns empty material.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the certificate with its chain, leaf first, and its private key.
    #[must_use]
    pub fn with_pair(
        mut self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Self {
        self.pair = Some((chain, Zeroizing::new(key)));
        self
    }

    /// Sets the authorities that peers are verified against.
    ///
    /// They take the place of `tls.client_ca_path`, or of `tls_client.trust_store` and
    /// `tls_client.ca_bundle_path`.
    #[must_use]
    pub fn with_authorities(
        mut self,
        authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Self {
        self.authorities = Some(authorities.into_iter().collect());
        self
    }
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsMaterial")
            .field("pair", &self.pair.is_some())
            .field("authorities", &self.authorities.as_ref().map(Vec::len))
            .finish()
    }
}
