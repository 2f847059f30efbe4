//! Certificates for experiments and examples, made in memory.
//!
//! No one but the process that made them has the keys. They are for `localhost` only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use transport_core::TransportError;
use zeroize::Zeroizing;

use crate::error::tls_by;
use crate::files::sha256;
use crate::{ClientTls, PqMode, ServerTls, TlsClientConfig, TlsConfig, TlsMaterial};

/// Validity of the certificates.
const VALID: Duration = Duration::from_secs(30 * 24 * 3600);
/// Allowance for clients whose clock is behind.
const SLACK: Duration = Duration::from_secs(24 * 3600);

/// An authority and a server certificate for `localhost`, 127.0.0.1 and `::1`.
///
/// Both are valid for 30 days, and the authority issues nothing else: its key is dropped.
///
/// ```
/// use transport_tls::dev::DevCertificate;
/// use transport_tls::{PqMode, TlsClientConfig, TlsConfig};
///
/// let dev = DevCertificate::new("example authority")?;
/// let server = dev.server_tls(&TlsConfig::default(), PqMode::Hybrid)?;
/// let client = dev.client_tls(&TlsClientConfig::default(), PqMode::Hybrid)?;
/// assert!(server.not_after().is_some());
/// # drop(client);
/// # Ok::<(), transport_core::TransportError>(())
/// ```
pub struct DevCertificate {
    authority: CertificateDer<'static>,
    authority_pem: String,
    leaf: CertificateDer<'static>,
    key: Zeroizing<PrivateKeyDer<'static>>,
}

impl DevCertificate {
    /// Makes an authority with this common name, and a certificate for `localhost`.
    ///
    /// # Errors
    /// [`TransportError::Tls`] if no key can be made.
    pub fn new(authority: &str) -> Result<Self, TransportError> {
        make(authority).map_err(|cause| tls_by("cannot create a certificate", cause))
    }

    /// Returns the authority's certificate in PEM, for clients to trust.
    #[must_use]
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// Returns the SHA-256 fingerprint of the authority: hexadecimal bytes with colons.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let bytes = sha256(&self.authority).map(|byte| format!("{byte:02X}"));
        bytes.join(":")
    }

    /// Returns the server's side.
    ///
    /// The paths of a certificate in `config` are ignored.
    ///
    /// # Errors
    /// As [`ServerTls::load`].
    pub fn server_tls(&self, config: &TlsConfig, pq: PqMode) -> Result<ServerTls, TransportError> {
        let chain = vec![self.leaf.clone(), self.authority.clone()];
        let material = TlsMaterial::new().with_pair(chain, self.key.clone_key());
        ServerTls::from_material(material, config, pq)
    }

    /// Returns a client's side that trusts the authority and no other.
    ///
    /// # Errors
    /// As [`ClientTls::load`].
    pub fn client_tls(
        &self,
        config: &TlsClientConfig,
        pq: PqMode,
    ) -> Result<ClientTls, TransportError> {
        let material = TlsMaterial::new().with_authorities([self.authority.clone()]);
        ClientTls::from_material(material, config, pq)
    }
}

impl std::fmt::Debug for DevCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevCertificate")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

fn make(authority: &str) -> Result<DevCertificate, rcgen::Error> {
    let mut params = dated(authority);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let mut params = dated("localhost");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Required by RFC 5280 §4.2.1.1 and by strict verifiers, such as the default of Python 3.13.
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names = vec![
        SanType::DnsName(Ia5String::try_from("localhost")?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let key = KeyPair::generate()?;
    let leaf = params.signed_by(&key, &authority)?;
    Ok(DevCertificate {
        authority_pem: authority.pem(),
        authority: authority.der().clone(),
        leaf: leaf.der().clone(),
        key: Zeroizing::new(PrivatePkcs8KeyDer::from(key.serialize_der()).into()),
    })
}

fn dated(name: &str) -> CertificateParams {
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - SLACK).into();
    params.not_after = (now + VALID).into();
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_differ_and_hide_their_keys() {
        let [one, two] = ["a", "b"].map(|name| DevCertificate::new(name).unwrap());
        assert_ne!(one.fingerprint(), two.fingerprint());
        assert_eq!(one.fingerprint().len(), 32 * 3 - 1);
        assert!(one.authority_pem().contains("BEGIN CERTIFICATE"));
        assert!(!format!("{one:?}{}", one.authority_pem()).contains("PRIVATE"));
    }
}
