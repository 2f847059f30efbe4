//! End-entity certificates.

use rcgen::{CertificateParams, KeyPair, PublicKeyData as _, SanType};

/// A certificate with its private key.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate as PEM, followed by its chain where there is one.
    pub cert: String,
    /// The private key.
    pub key: KeyPair,
}

impl Leaf {
    /// Creates a self-signed certificate for these names.
    ///
    /// # Panics
    /// A name is neither an IP address, a URI nor a DNS name.
    #[must_use]
    pub fn self_signed(sans: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let cert = Self::params(sans, |_| {}).self_signed(&key).unwrap();
        Self {
            cert: cert.pem(),
            key,
        }
    }

    /// Returns the private key as PKCS #8 PEM.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Returns the DER-encoded `SubjectPublicKeyInfo`, the input of SPKI pins.
    #[must_use]
    pub fn spki_der(&self) -> Vec<u8> {
        self.key.subject_public_key_info()
    }

    pub(super) fn params(
        sans: &[&str],
        tune: impl FnOnce(&mut CertificateParams),
    ) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.subject_alt_names = sans.iter().map(|san| san_type(san)).collect();
        tune(&mut params);
        params
    }
}

/// Returns the kind of SAN that the text looks like.
fn san_type(san: &str) -> SanType {
    if let Ok(ip) = san.parse() {
        return SanType::IpAddress(ip);
    }
    let text = san.try_into().unwrap();
    if san.contains("://") {
        SanType::URI(text)
    } else {
        SanType::DnsName(text)
    }
}
