//! `tls.allow_sans`: a trusted client certificate must also bear one of these names. Checked
//! within the handshake, so that the client is told (alert `access_denied`).

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
};

use crate::x509;

/// A verifier that asks another one first, and then for a name on the list.
#[derive(Debug)]
pub(crate) struct AllowSans {
    trusted: Arc<dyn ClientCertVerifier>,
    sans: Vec<String>,
}

impl AllowSans {
    pub(crate) const fn new(trusted: Arc<dyn ClientCertVerifier>, sans: Vec<String>) -> Self {
        Self { trusted, sans }
    }
}

impl ClientCertVerifier for AllowSans {
    /// Who shows no certificate bears no name.
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .trusted
            .verify_client_cert(end_entity, intermediates, now)?;
        let shown = x509::sans(end_entity);
        let known = |san: &String| self.sans.iter().any(|allowed| same(allowed, san));
        if shown.iter().any(known) {
            return Ok(verified);
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn offer_client_auth(&self) -> bool {
        self.trusted.offer_client_auth()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.trusted.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trusted.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trusted.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trusted.supported_verify_schemes()
    }
}

/// DNS names do not know upper and lower case; a URI is compared as it is.
fn same(allowed: &str, shown: &str) -> bool {
    if allowed.contains("://") {
        return allowed == shown;
    }
    allowed.eq_ignore_ascii_case(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_whole() {
        for (allowed, shown, matches) in [
            ("a.example", "A.Example", true),
            ("a.example", "b.a.example", false),
            ("*.example", "a.example", false),
            ("spiffe://example/a", "spiffe://example/a", true),
            ("spiffe://example/a", "spiffe://example/A", false),
            ("spiffe://example/a", "spiffe://example/a/b", false),
        ] {
            assert_eq!(same(allowed, shown), matches, "{allowed} {shown}");
        }
    }
}
