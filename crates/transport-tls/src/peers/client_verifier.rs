//! A verifier of clients that judges by the rules of [`PeerCheck`] after another one has trusted the chain.
//!
//! It runs within the handshake, so that the client reads an alert.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::PeerCheck;

#[derive(Debug)]
pub(super) struct RuledClients {
    trusted: Arc<dyn ClientCertVerifier>,
    check: Arc<PeerCheck>,
}

impl RuledClients {
    pub(super) const fn new(trusted: Arc<dyn ClientCertVerifier>, check: Arc<PeerCheck>) -> Self {
        Self { trusted, check }
    }
}

impl ClientCertVerifier for RuledClients {
    /// A client without a certificate has neither a name nor a key.
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verify =
            |rest: &[CertificateDer<'_>]| self.trusted.verify_client_cert(end_entity, rest, now);
        let verified = verify(intermediates)?;
        let presented = (end_entity, intermediates);
        self.check
            .judge(presented, now, |rest| verify(rest).is_ok())?;
        Ok(verified)
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
