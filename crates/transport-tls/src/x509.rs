//! What a certificate says beyond what TLS itself needs: names, until when it is valid, and the
//! hash of its public key.

use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::ParsedCertificate;
use transport_core::{CertificateChain, VerifiedIdentity};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::OctetString;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
use x509_cert::name::Name;

use crate::dates;
use crate::files::sha256;
use crate::names;

/// Until when a certificate is valid; `None` where it cannot be read.
pub(crate) fn not_after(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let seconds = dates::not_after(certificate)?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Whether a certificate is known to have expired by then.
pub(crate) fn is_expired(certificate: &CertificateDer<'_>, now: SystemTime) -> bool {
    not_after(certificate).is_some_and(|not_after| not_after < now)
}

/// The identity that a verified certificate proves; `None` if it cannot be parsed.
pub(crate) fn identity(
    certificate: &CertificateDer<'_>,
    chain: CertificateChain,
) -> Option<VerifiedIdentity> {
    let public_key = ParsedCertificate::try_from(certificate).ok()?;
    let spki_sha256 = sha256(&public_key.subject_public_key_info());
    let names = names::of(certificate);
    Some(VerifiedIdentity::new(names, chain, spki_sha256))
}

/// How a certificate names itself and its issuer.
pub(crate) struct IssuerLinks {
    subject: Name,
    issuer: Name,
    /// Identifiers of the own key and the issuer's (RFC 5280 §4.2.1.1 and §4.2.1.2).
    key_id: Option<Vec<u8>>,
    issuer_key_id: Option<Vec<u8>>,
}

impl IssuerLinks {
    /// Whether it may be the issuer of another certificate, by the names.
    pub(crate) fn issued(&self, child: &Self) -> bool {
        self.subject == child.issuer
    }

    /// Whether its key has the identifier that another certificate expects of its issuer.
    pub(crate) fn has_key_of(&self, child: &Self) -> bool {
        self.key_id.is_some() && self.key_id == child.issuer_key_id
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }
}

/// The links of a certificate; `None` where it cannot be read.
pub(crate) fn links(certificate: &CertificateDer<'_>) -> Option<IssuerLinks> {
    let parsed = parse(certificate)?.tbs_certificate;
    let own = parsed.get::<SubjectKeyIdentifier>().ok().flatten();
    let issuers = parsed.get::<AuthorityKeyIdentifier>().ok().flatten();
    let issuer_key_id = issuers.and_then(|(_, id)| id.key_identifier);
    Some(IssuerLinks {
        key_id: own.map(|(_, id)| id.0.into_bytes()),
        issuer_key_id: issuer_key_id.map(OctetString::into_bytes),
        subject: parsed.subject,
        issuer: parsed.issuer,
    })
}

/// Takes serial numbers of any length: authorities make longer ones than RFC 5280 allows.
pub(crate) fn parse(certificate: &CertificateDer<'_>) -> Option<CertificateInner<Raw>> {
    CertificateInner::from_der(certificate).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::string::Ia5String;
    use rcgen::{date_time_ymd, CertificateParams, KeyPair, SanType};

    use super::*;

    #[test]
    fn names_come_in_order_and_the_rest_is_left_out() {
        let ia5 = |text: &str| Ia5String::try_from(text).unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![
            SanType::DnsName(ia5("a.example")),
            SanType::IpAddress([127, 0, 0, 1].into()),
            SanType::URI(ia5("spiffe://example/b")),
            SanType::DnsName(ia5("*.c.example")),
        ];
        params.not_after = date_time_ymd(2051, 1, 2);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let identity = identity(certificate.der(), CertificateChain::default()).unwrap();
        assert_eq!(
            identity.sans,
            ["a.example", "spiffe://example/b", "*.c.example"]
        );
        let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
        assert_eq!(identity.spki_sha256, sha256(&spki));
        let seconds = 2_556_230_400; // 2051-01-02T00:00:00Z
        let wanted = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        assert_eq!(not_after(certificate.der()), Some(wanted));
        let second = std::time::Duration::from_secs(1);
        assert!(!is_expired(certificate.der(), wanted));
        assert!(is_expired(certificate.der(), wanted + second));
    }

    #[test]
    fn a_certificate_without_names_has_none() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        assert!(identity(certificate.der(), CertificateChain::default())
            .unwrap()
            .sans
            .is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(der in proptest::collection::vec(any::<u8>(), 0..500)) {
            let certificate = CertificateDer::from(der);
            let _ = (identity(&certificate, CertificateChain::default()), not_after(&certificate));
        }

        #[test]
        fn a_broken_certificate_does_not_panic(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            let mut der = params.self_signed(&key).unwrap().der().to_vec();
            let at = at.index(der.len());
            der[at] = to;
            let certificate = CertificateDer::from(der);
            let _ = (identity(&certificate, CertificateChain::default()), not_after(&certificate));
        }
    }
}
