//! `--dev-tls`: a certificate authority and a certificate in memory, for experiments.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{digest, SHA256};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use ron_transport::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use ron_transport::tls::ServerTls;
use ron_transport::{Backend, Config};

use crate::exit::ExitFailure;
use crate::term;

/// Validity of the certificates.
const VALID: Duration = Duration::from_secs(30 * 24 * 3600);
/// Allowance for clients whose clock is behind.
const SLACK: Duration = Duration::from_secs(24 * 3600);

/// Creates the certificate and prints how to trust it.
pub(crate) fn make(config: &Config) -> Result<ServerTls, ExitFailure> {
    let backend = config.general.backend();
    if backend != Backend::Tls {
        let what = format!("--dev-tls needs backend tls, and backend is {backend}");
        return Err(ExitFailure::Config(what));
    }
    if config.tls.cert_path().is_some() {
        let what = "--dev-tls creates its own certificate: remove tls.cert_path and tls.key_path";
        return Err(ExitFailure::Config(what.to_owned()));
    }
    let failed = |error: rcgen::Error| ExitFailure::runtime("cannot create a certificate", &error);
    let pair = DevCertificate::new().map_err(failed)?;
    term::err_line(format_args!("{}", advice(&pair)));
    let chain = vec![pair.leaf, pair.authority];
    ServerTls::from_pair(chain, pair.key, &config.tls, config.pq.mode())
        .map_err(|error| ExitFailure::runtime("cannot use the created certificate", &error))
}

struct DevCertificate {
    authority: CertificateDer<'static>,
    authority_pem: String,
    leaf: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl DevCertificate {
    fn new() -> Result<Self, rcgen::Error> {
        let mut params = dated("ron-gateway development authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let mut params = dated("localhost");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Required by RFC 5280 §4.2.1.1 and by strict verifiers, such as the default of Python
        // 3.13.
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = vec![
            SanType::DnsName(Ia5String::try_from("localhost")?),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &authority)?;
        Ok(Self {
            authority_pem: authority.pem(),
            authority: authority.der().clone(),
            leaf: leaf.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }
}

fn dated(name: &str) -> CertificateParams {
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - SLACK).into();
    params.not_after = (now + VALID).into();
    params
}

fn advice(pair: &DevCertificate) -> String {
    let sha256 = digest(&SHA256, &pair.authority);
    let bytes: Vec<_> = sha256.as_ref().iter().map(|b| format!("{b:02X}")).collect();
    format!(
        "--dev-tls: a certificate for localhost, 127.0.0.1 and ::1, valid for 30 days, in memory only\n\
         authority, SHA-256 fingerprint {}\n\
         {}\
         To trust it, write the certificate above to dev-ca.pem:\n  \
         curl --cacert dev-ca.pem https://localhost:9444/\n  \
         openssl s_client -CAfile dev-ca.pem -verify_return_error -connect localhost:9444\n  \
         ron-gateway dial tls://localhost:9444 --transport.tls-client.trust-store path \
         --transport.tls-client.ca-bundle-path dev-ca.pem",
        bytes.join(":"),
        pair.authority_pem,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_is_unique_and_key_not_printed() {
        let (one, two) = (
            DevCertificate::new().unwrap(),
            DevCertificate::new().unwrap(),
        );
        assert_ne!(one.authority, two.authority);
        let text = advice(&one);
        assert!(
            text.contains(&one.authority_pem) && text.contains("fingerprint "),
            "{text}"
        );
        assert!(!text.contains("PRIVATE"), "{text}");
    }
}
