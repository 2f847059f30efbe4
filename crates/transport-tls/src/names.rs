//! Subject alternative names of a certificate, with their types.

mod dns;
mod email;
mod spiffe;
mod uri;

use std::net::IpAddr;

use tokio_rustls::rustls::pki_types::CertificateDer;
use transport_core::PeerName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::SubjectAltName;

use crate::x509;

pub(crate) use dns::{check as check_dns, check_wildcard, strip_wildcard};
pub(crate) use email::split as split_email;
pub(crate) use spiffe::{check as check_spiffe, SCHEME as SPIFFE};
pub(crate) use uri::{check as check_uri, split_scheme};

/// Returns the well-formed names of a certificate, in order.
///
/// Names that are malformed for their type are skipped. So a URI without a scheme never matches as a
/// DNS name, and a DNS name with a scheme never matches as a URI. If a name has a byte that is not
/// ASCII, the extension cannot be parsed (RFC 5280 §4.2.1.6: `IA5String`), and no name is returned.
pub(crate) fn of(certificate: &CertificateDer<'_>) -> Vec<PeerName> {
    let names = || {
        let parsed = x509::parse(certificate)?.tbs_certificate;
        parsed.get::<SubjectAltName>().ok().flatten()
    };
    names().map_or_else(Vec::new, |(_, SubjectAltName(names))| {
        names.iter().filter_map(typed).collect()
    })
}

fn typed(name: &GeneralName) -> Option<PeerName> {
    match name {
        GeneralName::DnsName(name) => {
            let name = name.as_str();
            let valid = match strip_wildcard(name) {
                Some(base) => check_wildcard(base),
                None => check_dns(name),
            };
            valid.is_ok().then(|| PeerName::DnsName(name.into()))
        }
        GeneralName::UniformResourceIdentifier(uri) => {
            let uri = uri.as_str();
            check_uri(uri).is_ok().then(|| PeerName::Uri(uri.into()))
        }
        GeneralName::IpAddress(bytes) => ip(bytes.as_bytes()).map(PeerName::Ip),
        GeneralName::Rfc822Name(address) => {
            let address = address.as_str();
            let valid = split_email(address).is_ok();
            valid.then(|| PeerName::Email(address.into()))
        }
        _ => None,
    }
}

/// Parses 4 or 16 bytes (RFC 5280 §4.2.1.6).
///
/// A v4-mapped address stays IPv6.
fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(bytes.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}
