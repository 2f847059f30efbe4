//! The certificate verifier of both roles.
//!
//! rustls' own verifier is first, then the rules of [`PeerCheck`]. It runs within the handshake, so
//! the peer receives an alert.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::check::PeerCheck;
use crate::dates;
use crate::resume;

/// Adds a [`PeerCheck`] to a verifier that trusts the same authorities.
#[derive(Debug)]
pub(crate) struct PeerVerifier<V: ?Sized> {
    inner: Arc<V>,
    check: Arc<PeerCheck>,
}

impl<V: ?Sized> PeerVerifier<V> {
    pub(crate) const fn new(inner: Arc<V>, check: Arc<PeerCheck>) -> Self {
        Self { inner, check }
    }

    /// Verifies the chain, then applies the rules.
    fn verify<T>(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        verify: impl Fn(&[CertificateDer<'_>]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let verified = verify(intermediates)?;
        if self.check.has_rules() {
            let confirm = |rest: &[CertificateDer<'_>]| verify(rest).is_ok();
            self.check.judge((leaf, intermediates), now, confirm)?;
        }
        Ok(verified)
    }
}

/// The methods of both traits that the rules do not change.
macro_rules! delegate_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.inner.verify_tls12_signature(message, cert, dss)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.inner.verify_tls13_signature(message, cert, dss)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.inner.supported_verify_schemes()
        }
    };
}

impl ServerCertVerifier for PeerVerifier<dyn ServerCertVerifier> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, now, |rest| {
            let inner = &self.inner;
            inner.verify_server_cert(end_entity, rest, name, ocsp, now)
        })
    }

    delegate_signatures!();
}

impl ClientCertVerifier for PeerVerifier<dyn ClientCertVerifier> {
    /// Returns true with rules.
    ///
    /// A client without a certificate has neither name nor key.
    fn client_auth_mandatory(&self) -> bool {
        self.check.has_rules() || self.inner.client_auth_mandatory()
    }

    /// Verifies a client, and records when its chain expires.
    ///
    /// The expiry limits session tickets.
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.verify(end_entity, intermediates, now, |rest| {
            self.inner.verify_client_cert(end_entity, rest, now)
        })?;
        let chain = std::iter::once(end_entity).chain(intermediates);
        // Zero where a date cannot be read: no session resumes then.
        resume::record_full_handshake(dates::earliest_end(chain).unwrap_or(0));
        Ok(verified)
    }

    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    delegate_signatures!();
}
