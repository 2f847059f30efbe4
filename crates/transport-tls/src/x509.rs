//! Fields of X.509 certificates that rustls does not expose.

use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::OctetString;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
use x509_cert::name::Name;
use x509_cert::spki::ObjectIdentifier;

use crate::dates;

/// Returns `notAfter`; `None` if the certificate cannot be read.
pub(crate) fn not_after(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let seconds = dates::not_after(certificate)?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Returns whether `notAfter` is before `now`; false if it cannot be read.
pub(crate) fn is_expired(certificate: &CertificateDer<'_>, now: SystemTime) -> bool {
    not_after(certificate).is_some_and(|not_after| not_after < now)
}

/// Returns the first common name in the subject of a DER certificate.
///
/// For logs and for protocols that carry it. It proves nothing: a CA with permission for one name can
/// put any text there. `None` without one, or if it is no UTF-8 text.
///
/// ```
/// assert_eq!(transport_tls::common_name(b"no certificate"), None);
/// ```
#[must_use]
pub fn common_name(certificate: &[u8]) -> Option<String> {
    const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
    let certificate = CertificateDer::from(certificate);
    let subject = parse(&certificate)?.tbs_certificate.subject;
    let mut fields = subject.0.iter().flat_map(|name| name.0.iter());
    let name = fields.find(|field| field.oid == COMMON_NAME)?;
    let is_text = matches!(
        name.value.tag(),
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String
    );
    let text = std::str::from_utf8(name.value.value()).ok()?;
    is_text.then(|| text.to_owned())
}

/// The names and key identifiers that link a certificate to its issuer.
pub(crate) struct IssuerLinks {
    subject: Name,
    issuer: Name,
    /// Identifiers of this key and of the issuer's key.
    ///
    /// RFC 5280 §4.2.1.1 and §4.2.1.2.
    key_id: Option<Vec<u8>>,
    issuer_key_id: Option<Vec<u8>>,
}

impl IssuerLinks {
    /// Returns whether its subject is the issuer of `child`.
    pub(crate) fn issued(&self, child: &Self) -> bool {
        self.subject == child.issuer
    }

    /// Returns whether `child` names its key identifier as the issuer's.
    pub(crate) fn has_key_of(&self, child: &Self) -> bool {
        self.key_id.is_some() && self.key_id == child.issuer_key_id
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }
}

/// Returns the issuer links; `None` if the certificate cannot be read.
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

/// Parses a certificate with a serial number of any length.
///
/// Some authorities issue longer ones than RFC 5280 §4.1.2.2 allows.
pub(crate) fn parse(certificate: &CertificateDer<'_>) -> Option<CertificateInner<Raw>> {
    CertificateInner::from_der(certificate).ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair};

    use super::*;

    #[test]
    fn root_alone_is_self_issued() {
        let named = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(named("root"), key()).unwrap();
        let leaf = named("leaf").signed_by(&key(), &root).unwrap();
        let (root, leaf) = (links(root.der()).unwrap(), links(leaf.der()).unwrap());
        assert!(root.is_self_issued() && !leaf.is_self_issued());
        assert!(root.issued(&leaf) && !leaf.issued(&root));
    }
}
