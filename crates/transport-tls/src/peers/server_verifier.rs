//! A verifier of servers that judges by the rules of [`PeerCheck`] after another one has trusted the chain and
//! the name.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{DigitallySignedStruct, Error, SignatureScheme};

use super::PeerCheck;

#[derive(Debug)]
pub(super) struct RuledServers {
    trusted: Arc<dyn ServerCertVerifier>,
    check: Arc<PeerCheck>,
}

impl RuledServers {
    pub(super) const fn new(trusted: Arc<dyn ServerCertVerifier>, check: Arc<PeerCheck>) -> Self {
        Self { trusted, check }
    }
}

impl ServerCertVerifier for RuledServers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify = |rest: &[CertificateDer<'_>]| {
            let trusted = &self.trusted;
            trusted.verify_server_cert(end_entity, rest, server_name, ocsp_response, now)
        };
        let verified = verify(intermediates)?;
        let presented = (end_entity, intermediates);
        self.check
            .judge(presented, now, |rest| verify(rest).is_ok())?;
        Ok(verified)
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
