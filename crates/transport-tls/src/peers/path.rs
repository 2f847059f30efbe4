//! Certification paths from a peer's certificate to a trust anchor.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::RootCertStore;
use transport_core::CertificateChain;
use webpki::{spki_for_anchor, EndEntityCert, KeyUsage, VerifiedPath};

/// The extended key usage that a peer's certificate needs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyPurpose {
    Client,
    Server,
}

/// Accepts a path, or makes webpki try the next one.
type Accept<'a> = &'a dyn Fn(&VerifiedPath<'_>) -> Result<(), webpki::Error>;

/// Trust anchors with the signature algorithms that are accepted.
#[derive(Debug)]
pub(crate) struct Anchors {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    usage: KeyPurpose,
}

impl Anchors {
    pub(crate) fn new(
        roots: Arc<RootCertStore>,
        provider: &CryptoProvider,
        usage: KeyPurpose,
    ) -> Self {
        Self {
            roots,
            algorithms: provider.signature_verification_algorithms,
            usage,
        }
    }

    /// Builds a path and verifies it, without revocation.
    ///
    /// # Errors
    /// If no path is valid and accepted.
    pub(super) fn verify<'p>(
        &'p self,
        leaf: &'p EndEntityCert<'p>,
        rest: &'p [CertificateDer<'p>],
        now: UnixTime,
        accept: Option<Accept<'_>>,
    ) -> Result<VerifiedPath<'p>, webpki::Error> {
        let usage = match self.usage {
            KeyPurpose::Client => KeyUsage::client_auth(),
            KeyPurpose::Server => KeyUsage::server_auth(),
        };
        let algorithms = self.algorithms.all;
        leaf.verify_for_usage(
            algorithms,
            &self.roots.roots,
            rest,
            now,
            usage,
            None,
            accept,
        )
    }

    /// Returns the verified chain among the certificates of a verified peer.
    ///
    /// If the names allow one path only, that path is the verified one, and no signature is verified
    /// again. Returns the leaf alone if no path leads to a trust anchor any more.
    pub(super) fn chain(
        &self,
        presented: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> CertificateChain {
        let Some((leaf, rest)) = presented.split_first() else {
            return CertificateChain::default();
        };
        let used = self
            .only_path(leaf, rest)
            .or_else(|| self.first_path(leaf, rest, now))
            .unwrap_or_default();
        let leaf: Box<[u8]> = leaf.as_ref().into();
        std::iter::once(leaf).chain(used).collect()
    }

    /// Returns the intermediates of the only path that names allow.
    ///
    /// Returns `None` for no path and for several.
    fn only_path(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
    ) -> Option<Vec<Box<[u8]>>> {
        let mut left = Vec::with_capacity(rest.len());
        for certificate in rest {
            let parsed = EndEntityCert::try_from(certificate).ok()?;
            if !self.is_anchor(&parsed) {
                left.push((certificate, parsed));
            }
        }
        let mut used = Vec::with_capacity(left.len());
        let mut issuer = EndEntityCert::try_from(leaf).ok()?.issuer().to_vec();
        loop {
            let is_trusted = self
                .roots
                .roots
                .iter()
                .any(|a| a.subject.as_ref() == issuer);
            let is_issuer = |at: &usize| left[*at].1.subject() == issuer;
            let mut next = (0..left.len()).filter(is_issuer);
            match (is_trusted, next.next(), next.next()) {
                (true, None, _) => return Some(used),
                (false, Some(at), None) => {
                    let (certificate, parsed) = left.swap_remove(at);
                    used.push(certificate.as_ref().into());
                    issuer = parsed.issuer().to_vec();
                }
                _ => return None,
            }
        }
    }

    /// Returns whether a certificate is the self-issued one of a trust anchor.
    ///
    /// No path needs it.
    fn is_anchor(&self, cert: &EndEntityCert<'_>) -> bool {
        let is_self_issued = cert.issuer() == cert.subject();
        let mut roots = self.roots.roots.iter();
        is_self_issued
            && roots.any(|anchor| {
                anchor.subject.as_ref() == cert.subject()
                    && spki_for_anchor(anchor).as_ref() == cert.subject_public_key_info().as_ref()
            })
    }

    fn first_path(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Option<Vec<Box<[u8]>>> {
        let leaf = EndEntityCert::try_from(leaf).ok()?;
        let path = self.verify(&leaf, rest, now, None).ok()?;
        let used = path.intermediate_certificates();
        Some(used.map(|cert| cert.der().as_ref().into()).collect())
    }
}
