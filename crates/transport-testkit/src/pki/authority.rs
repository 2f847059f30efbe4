//! Certificate authorities.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SignatureAlgorithm, PKCS_ECDSA_P256_SHA256,
};

use super::{Crl, Leaf};

/// A certificate authority: a root, or an intermediate below another one.
///
/// ```
/// use transport_testkit::pki::{Authority, PkiDir};
///
/// let authority = Authority::new();
/// let dir = PkiDir::new();
/// dir.write("ca.pem", &authority.pem());
/// dir.write_pair("server", &authority.leaf(&["localhost", "127.0.0.1"]));
/// assert!(dir.path("server.key").exists());
/// ```
///
/// # Panics
/// All methods panic where the parameters allow no certificate.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    name: String,
}

impl Authority {
    /// Creates a root called "test authority".
    #[must_use]
    pub fn new() -> Self {
        Self::root("test authority")
    }

    /// Creates a root with this common name.
    #[must_use]
    pub fn root(name: &str) -> Self {
        Self::root_with(name, |_| {})
    }

    /// Creates a root whose parameters `tune` may change.
    #[must_use]
    pub fn root_with(name: &str, tune: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        tune(&mut params);
        Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
            name: name.to_owned(),
        }
    }

    /// Creates an intermediate whose parameters `tune` may change.
    #[must_use]
    pub fn intermediate(&self, name: &str, tune: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        tune(&mut params);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap(),
            name: name.to_owned(),
        }
    }

    /// Returns the authority's certificate as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Returns the authority's certificate as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        self.issuer.der()
    }

    /// Returns the authority's key.
    #[must_use]
    pub fn key(&self) -> &KeyPair {
        self.issuer.key()
    }

    /// Issues a certificate for these names: IP addresses, URIs or DNS names.
    #[must_use]
    pub fn leaf(&self, sans: &[&str]) -> Leaf {
        self.leaf_with(sans, &PKCS_ECDSA_P256_SHA256, |_| {})
    }

    /// Issues a certificate with this key algorithm.
    ///
    /// `tune` may change its parameters.
    #[must_use]
    pub fn leaf_with(
        &self,
        sans: &[&str],
        algorithm: &'static SignatureAlgorithm,
        tune: impl FnOnce(&mut CertificateParams),
    ) -> Leaf {
        let params = Leaf::params(sans, tune);
        let key = KeyPair::generate_for(algorithm).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Leaf { cert, key }
    }

    /// Signs a CRL between two years, with these revoked serial numbers.
    #[must_use]
    pub fn crl(&self, years: (i32, i32), revoked: &[u64]) -> Crl {
        Crl::between_years(&self.issuer, years, revoked)
    }

    /// Signs a CRL whose update times and entries the caller chooses.
    #[must_use]
    pub fn crl_with(&self, params: &rcgen::CertificateRevocationListParams) -> Crl {
        Crl::signed(params, &self.issuer)
    }

    /// Returns a CRL in this authority's name that another key has signed.
    #[must_use]
    pub fn forged_crl(&self, years: (i32, i32)) -> Crl {
        let key = KeyPair::generate().unwrap();
        Crl::between_years(&Issuer::new(ca_params(&self.name), key), years, &[])
    }

    /// Signs a CRL even where the certificate lacks the `cRLSign` key usage.
    #[must_use]
    pub fn crl_without_permission(&self, years: (i32, i32)) -> Crl {
        let key = KeyPair::try_from(self.issuer.key().serialize_der()).unwrap();
        Crl::between_years(&Issuer::new(ca_params(&self.name), key), years, &[])
    }
}

impl Leaf {
    /// Appends the certificates of these authorities to the chain.
    #[must_use]
    pub fn with_chain(mut self, chain: &[&Authority]) -> Self {
        self.cert.extend(chain.iter().map(|issuer| issuer.pem()));
        self
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Authority").field(&self.name).finish()
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
