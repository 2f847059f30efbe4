//! The identity that a verified certificate proves.

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::ParsedCertificate;
use transport_core::{CertificateChain, VerifiedIdentity};

use crate::files::sha256;
use crate::names;

/// Returns the identity of a verified certificate.
///
/// `None` if it cannot be parsed.
pub(crate) fn identity(
    certificate: &CertificateDer<'_>,
    chain: CertificateChain,
) -> Option<VerifiedIdentity> {
    let public_key = ParsedCertificate::try_from(certificate).ok()?;
    let spki_sha256 = sha256(&public_key.subject_public_key_info());
    let names = names::of(certificate);
    Some(VerifiedIdentity::new(names, chain, spki_sha256))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;
    use rcgen::string::Ia5String;
    use rcgen::{date_time_ymd, CertificateParams, KeyPair, SanType};

    use super::*;
    use crate::x509::{common_name, is_expired, not_after};

    #[test]
    fn names_keep_order_without_other_types() {
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
    fn first_common_name_is_returned() {
        let mut params = CertificateParams::default();
        let key = KeyPair::generate().unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let without = params.clone().self_signed(&key).unwrap();
        assert_eq!(common_name(without.der()), None);
        params
            .distinguished_name
            .push(rcgen::DnType::OrganizationName, "org");
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "ålice");
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(common_name(certificate.der()).unwrap(), "ålice");
    }

    #[test]
    fn certificate_without_names() {
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
        fn broken_certificate_does_not_panic(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            let mut der = params.self_signed(&key).unwrap().der().to_vec();
            let at = at.index(der.len());
            der[at] = to;
            let certificate = CertificateDer::from(der);
            let _ = (identity(&certificate, CertificateChain::default()), not_after(&certificate));
            let _ = common_name(&certificate);
        }
    }
}
